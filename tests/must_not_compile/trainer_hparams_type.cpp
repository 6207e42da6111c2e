// expect: fields() names bool, integers, floating-point numbers, std::string, and vectors of int64_t, double and
// std::string
#include <fulmen/trainer/trainer.h>

using namespace fulmen;

struct Hparams {
  Tensor weight;
  void fields(auto&& f) { f("weight", weight); }
};

std::string json(Hparams& hparams) { return trainer::fields_to_json(hparams); }
