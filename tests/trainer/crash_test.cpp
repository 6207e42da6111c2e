#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "captured.h"
#include "child.h"
#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

namespace fs = std::filesystem;
using fulmen::testing::mentions;

/// Files may not grow beyond so many bytes while this exists.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    struct rlimit limited = before_;
    limited.rlim_cur = bytes;
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  struct rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

/// A small disk of its own, where this process may mount one.
class Disk {
 public:
  explicit Disk(const std::string& path) : path_(path) {
    fs::create_directories(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=128k") == 0;
  }
  ~Disk() {
    if (mounted_) ::umount(path_.c_str());
  }
  bool mounted() const { return mounted_; }
  void make_read_only() const { ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr); }

 private:
  std::string path_;
  bool mounted_;
};

/// A fit of three epochs that saves after each; `between` runs after the first.
struct SavedFit {
  explicit SavedFit(const std::string& dirpath, AnyFunction<void()> between)
      : checkpoints(std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{.dirpath = dirpath, .save_last = true})) {
    struct Between : Callback {
      explicit Between(AnyFunction<void()> a) : action(std::move(a)) {}
      void on_train_epoch_start(Trainer& trainer, Module&) override {
        if (trainer.current_epoch() == 1) action();
      }
      AnyFunction<void()> action;
    };
    TrainerOptions options = quiet(3);
    options.callbacks = {std::make_shared<Between>(std::move(between)), checkpoints};
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(options);
    message = message_of([&] { trainer.fit(model, plane(true)); });
    clean = !trainer.is_running() && !model.has_trainer();
  }
  std::shared_ptr<ModelCheckpoint> checkpoints;
  std::string message;
  bool clean = false;
};

bool no_temporaries(const TemporaryFolder& folder) {
  for (const std::string& file : folder.files()) {
    if (mentions(file, ".tmp.")) return false;
  }
  return true;
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("killed 200 times at any moment, a fit always goes on, leaves no litter, and ends with the same file") {
    TemporaryFolder whole;
    REQUIRE(run({"keep_on", whole.path()}) == 0);
    const std::string expected = contents(whole.path("final.ckpt"));
    const size_t files_of_whole = whole.files().size();
    std::mt19937 random(20);
    auto folder = std::make_unique<TemporaryFolder>();
    int ended = 0;
    for (int kills = 0; kills < 200;) {
      const pid_t child = start_run({"keep_on", folder->path()});
      ::usleep(10000 + random() % 40000);
      ::kill(child, SIGKILL);
      const int status = end_of(child);
      if (status == -SIGKILL) {
        ++kills;
        CHECK(folder->files().size() <= files_of_whole + 2);  // an old file that was to be removed, and a temporary one
        continue;
      }
      REQUIRE(status == 0);  // it was at its end already
      CHECK((contents(folder->path("final.ckpt")) == expected));
      CHECK(folder->files() == whole.files());
      folder = std::make_unique<TemporaryFolder>();
      ++ended;
    }
    REQUIRE(run({"keep_on", folder->path()}) == 0);
    CHECK((contents(folder->path("final.ckpt")) == expected));
    CHECK(no_temporaries(*folder));
    MESSAGE("fits that came to their end between the kills: ", ended);
  }

  TEST_CASE("a full disk is an error that names the file; the checkpoints before it stay") {
    TemporaryFolder folder;
    std::optional<FileSizeLimit> limit;
    const SavedFit fit(folder.path(), [&] { limit.emplace(1000); });
    limit.reset();
    const std::string first = folder.path("epoch=0-step=8.ckpt");
    CHECK_MESSAGE(mentions(fit.message, "E015: the checkpoint was not saved: " + folder.path("epoch=1-step=16.ckpt")),
                  fit.message);
    CHECK_MESSAGE(mentions(fit.message, "cannot be written: File too large"), fit.message);
    CHECK_MESSAGE(mentions(fit.message, "fix: make room there"), fit.message);
    CHECK(fit.clean);
    CHECK(fit.checkpoints->best_model_path() == first);
    CHECK(fit.checkpoints->last_model_path() == folder.path("last.ckpt"));
    CHECK(folder.files() == std::vector<std::string>{"epoch=0-step=8.ckpt", "last.ckpt"});
    CHECK_NOTHROW(read_checkpoint(first));
    CHECK_NOTHROW(read_checkpoint(folder.path("last.ckpt")));

    // The same with a disk that is really full, or becomes read-only, where this process may mount one.
    const Disk disk(folder.path("disk"));
    if (!disk.mounted()) return;
    const SavedFit full(folder.path("disk"), [&] {
      std::ofstream filler(folder.path("disk/filler"));
      while (filler << std::string(512, 'x') << std::flush) {
      }
    });
    CHECK_MESSAGE(mentions(full.message, "epoch=1-step=16.ckpt: cannot be written: No space left"), full.message);
    CHECK_NOTHROW(read_checkpoint(folder.path("disk/epoch=0-step=8.ckpt")));
    fs::remove(folder.path("disk/filler"));
    const SavedFit read_only(folder.path("disk/again"), [&] { disk.make_read_only(); });
    CHECK_MESSAGE(mentions(read_only.message, "epoch=1-step=16.ckpt: cannot be created: Read-only file system"),
                  read_only.message);
    CHECK_NOTHROW(read_checkpoint(folder.path("disk/again/epoch=0-step=8.ckpt")));
  }

  TEST_CASE("a folder that cannot be written to is an error that names the file") {
    TemporaryFolder folder;
    std::ofstream(folder.path("file")) << "no folder";
    SavedFit fit(folder.path("file/runs"), [] {});
    CHECK_MESSAGE(mentions(fit.message, "E015: ModelCheckpoint: the folder " + folder.path("file/runs") +
                                            " cannot be made: Not a directory"),
                  fit.message);
    CHECK(fit.clean);
    CHECK(fit.checkpoints->best_model_path().empty());
    // The folder goes away during the fit.
    fit = SavedFit(folder.path("gone"), [&] {
      fs::remove_all(folder.path("gone"));
      std::ofstream(folder.path("gone")) << "no folder either";
    });
    CHECK_MESSAGE(mentions(fit.message, folder.path("gone") + " cannot be made: "), fit.message);
    CHECK(fit.clean);
    SmallModel model(SmallModel::Hparams{});
    fit_target(model);
    Trainer trainer(quiet(1));
    trainer.fit(model, plane(true));
    const std::string message = message_of([&] { trainer.save_checkpoint(folder.path("file/a.ckpt")); });
    CHECK_MESSAGE(mentions(message, folder.path("file/a.ckpt") + ": cannot be created: Not a directory"), message);
  }

  TEST_CASE("Ctrl-C: the first ends the fit after its step, the second ends the program at once") {
    for (const bool hanging : {false, true}) {
      TemporaryFolder folder;
      if (hanging) std::ofstream(folder.path("hang")) << "";
      const pid_t child = start_run({"wait", folder.path()});
      for (int i = 0; i < 30000 && !fs::exists(folder.path("training")); ++i) ::usleep(1000);
      REQUIRE(fs::exists(folder.path("training")));
      ::kill(child, SIGINT);
      if (!hanging) {
        CHECK(end_of(child) == 0);
        CHECK_NOTHROW(read_checkpoint(folder.path("interrupted.ckpt")));
        CHECK((contents(folder.path("interrupted.ckpt")) == contents(folder.path("final.ckpt"))));
        continue;
      }
      ::usleep(50000);
      CHECK(::waitpid(child, nullptr, WNOHANG) == 0);  // still in its step
      ::kill(child, SIGINT);
      CHECK(end_of(child) == -SIGINT);
    }
  }
}

}  // namespace fulmen::trainer::testing
