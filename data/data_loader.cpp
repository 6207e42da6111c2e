#include <fulmen/data/data_loader.h>

namespace fulmen::data {

namespace {
std::string message_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}
}  // namespace

WorkerException::WorkerException(std::exception_ptr original)
    : original_exception(std::move(original)),
      message("Caught exception in DataLoader worker thread. Original message: " + message_of(original_exception)) {}

void detail::fail_queue_timeout(int64_t milliseconds) {
  fail(str("Timeout in DataLoader queue while waiting for next batch (timeout was ", milliseconds, " ms)"));
}

}  // namespace fulmen::data
