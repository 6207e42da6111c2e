#include <fulmen/tensor/warning.h>

#include <cstdio>

namespace fulmen {

namespace {
WarningHandler* default_handler() {
  static auto* handler = new WarningHandler;
  return handler;
}
thread_local constinit WarningHandler* current = nullptr;
}  // namespace

void WarningHandler::process(const Warning& warning) { std::fprintf(stderr, "warning: %s\n", warning.msg().c_str()); }

WarningHandler* get_warning_handler() noexcept { return current ? current : default_handler(); }
void set_warning_handler(WarningHandler* handler) noexcept { current = handler; }
void warn(std::string message) { get_warning_handler()->process(Warning(std::move(message))); }

}  // namespace fulmen
