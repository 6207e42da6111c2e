#pragma once
#include <fulmen/trainer/callback.h>

#include <string>

namespace fulmen::trainer {

/// Saves a fit's state when an exception ends it: `<dirpath>/on_exception.ckpt`. The next fit goes on from there, or
/// from a newer last.ckpt, unless it is given another ckpt_path; the file is removed when a run has come to its end.
class OnExceptionCheckpoint : public Callback {
 public:
  explicit OnExceptionCheckpoint(std::string dirpath, std::string filename = "on_exception");
  std::string ckpt_path() const { return dirpath_ + "/" + filename_ + ".ckpt"; }
  void setup(Trainer&, Module&, Stage) override { failed_ = false; }
  void on_exception(Trainer&, Module&, const std::exception&) override;
  void teardown(Trainer&, Module&, Stage) override;
  Order order() const override { return Order::Save; }

 private:
  std::string dirpath_, filename_;
  bool failed_ = false;
};

}  // namespace fulmen::trainer
