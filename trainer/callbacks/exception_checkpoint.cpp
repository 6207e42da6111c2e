#include <fulmen/tensor/error.h>
#include <fulmen/trainer/callbacks/exception_checkpoint.h>
#include <fulmen/trainer/trainer.h>

#include <filesystem>

namespace fulmen::trainer {

OnExceptionCheckpoint::OnExceptionCheckpoint(std::string dirpath, std::string filename)
    : dirpath_(std::move(dirpath)), filename_(std::move(filename)) {
  if (filename_.empty()) throw Error("E016", "OnExceptionCheckpoint: the file name is empty", "give a name");
}

void OnExceptionCheckpoint::on_exception(Trainer& trainer, Module&, const std::exception&) {
  failed_ = true;
  if (trainer.stage() != Stage::Fit) return;
  std::error_code error;
  std::filesystem::create_directories(dirpath_, error);  // a failure is told by the write, with the file's name
  trainer.save_checkpoint(ckpt_path());
}

void OnExceptionCheckpoint::teardown(Trainer&, Module&, Stage) {
  std::error_code not_there;
  if (!failed_) std::filesystem::remove(ckpt_path(), not_there);
}

}  // namespace fulmen::trainer
