#include <fulmen/nn/dropout.h>
#include <fulmen/nn/print.h>

namespace fulmen::nn {

namespace {
void check_probability(const char* name, double p) {
  FULMEN_CHECK(p >= 0 && p <= 1, name, ": dropout probability has to be between 0 and 1, but got ", p);
}
}  // namespace

#define FULMEN_DROPOUT(Name, function)                                                                      \
  Name##Impl::Name##Impl(double p) : Name##Impl(Name##Options(p)) {}                                        \
  Name##Impl::Name##Impl(const Name##Options& options_) : options(options_) { Name##Impl::reset(); }        \
  void Name##Impl::reset() { check_probability(#Name, options.p()); }                                       \
  void Name##Impl::pretty_print(std::ostream& stream) const {                                               \
    Printed(stream, #Name).arg("p", options.p()).arg("inplace", options.inplace());                         \
  }                                                                                                         \
  Tensor Name##Impl::forward(Tensor input) {                                                                \
    return functional::function(                                                                            \
        std::move(input),                                                                                   \
        functional::Name##FuncOptions().p(options.p()).training(is_training()).inplace(options.inplace())); \
  }

FULMEN_DROPOUT(Dropout, dropout)
FULMEN_DROPOUT(Dropout2d, dropout2d)
FULMEN_DROPOUT(Dropout3d, dropout3d)
FULMEN_DROPOUT(AlphaDropout, alpha_dropout)
FULMEN_DROPOUT(FeatureAlphaDropout, feature_alpha_dropout)
#undef FULMEN_DROPOUT

}  // namespace fulmen::nn
