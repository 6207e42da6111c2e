#pragma once
#include <string>

namespace fulmen {

class Warning {
 public:
  explicit Warning(std::string message) : message_(std::move(message)) {}
  const std::string& msg() const { return message_; }

 private:
  std::string message_;
};

/// Receives warnings; the default one writes a line to standard error.
class WarningHandler {
 public:
  virtual ~WarningHandler() = default;
  virtual void process(const Warning& warning);
};

/// The handler of this thread; never null.
WarningHandler* get_warning_handler() noexcept;
/// Installs a handler (not owned) for this thread; null restores the default.
void set_warning_handler(WarningHandler* handler) noexcept;
void warn(std::string message);

}  // namespace fulmen
