#pragma once
#include <fulmen/trainer/callback.h>

#include <string>

namespace fulmen::trainer {

/// Saves the run's state when an exception ends it, so that a fit can go on from there: `<dirpath>/on_exception.ckpt`.
class OnExceptionCheckpoint : public Callback {
 public:
  explicit OnExceptionCheckpoint(std::string dirpath, std::string filename = "on_exception");
  std::string ckpt_path() const { return dirpath_ + "/" + filename_ + ".ckpt"; }
  void on_exception(Trainer&, Module&, const std::exception&) override;

 private:
  std::string dirpath_, filename_;
};

}  // namespace fulmen::trainer
