#include <fulmen/nn/call_observer.h>

#include <utility>

namespace fulmen::nn {

CallObserver::CallObserver() : before_(std::exchange(detail::call_observer, this)) {}
CallObserver::~CallObserver() { detail::call_observer = before_; }

}  // namespace fulmen::nn
