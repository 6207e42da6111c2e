#pragma once
// LibTorch's macros. Names are written in full, because user code may use them in any namespace.

#define TORCH_MODULE FULMEN_MODULE
#define TORCH_MODULE_IMPL FULMEN_MODULE_IMPL
#define TORCH_ARG FULMEN_ARG
#define FORWARD_HAS_DEFAULT_ARGS FULMEN_FORWARD_HAS_DEFAULT_ARGS

#define TORCH_API
#define C10_API
#define C10_UNUSED [[maybe_unused]]

#define FULMEN_COMPAT_CHECK(Type, condition, ...)                                         \
  do {                                                                                    \
    if (!(condition)) [[unlikely]]                                                        \
      ::c10::detail::check_failed<::fulmen::Type>(#condition __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
#define TORCH_CHECK(condition, ...) FULMEN_COMPAT_CHECK(Error, condition __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_INDEX(condition, ...) FULMEN_COMPAT_CHECK(IndexError, condition __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_VALUE(condition, ...) FULMEN_COMPAT_CHECK(ValueError, condition __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_TYPE(condition, ...) FULMEN_COMPAT_CHECK(TypeError, condition __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_INTERNAL_ASSERT TORCH_CHECK
#define AT_ASSERT TORCH_CHECK
#define AT_ASSERTM TORCH_CHECK
#define AT_ERROR(...) TORCH_CHECK(false, __VA_ARGS__)
#define TORCH_WARN(...) ::fulmen::warn(::c10::str(__VA_ARGS__))
#define TORCH_WARN_ONCE(...)                                \
  do {                                                      \
    static bool warned = false;                             \
    if (!warned || ::c10::WarningUtils::get_warnAlways()) { \
      warned = true;                                        \
      TORCH_WARN(__VA_ARGS__);                              \
    }                                                       \
  } while (false)
