#pragma once
#include <fulmen/tensor/tensor.h>

#include <vector>

namespace fulmen::data::vision {

/// Bytes (0 to 255) as float32 (0 to 1), per channel less `mean` and divided by `std` if these are given (one number
/// per channel, or one for all). images: [n, channels, height, width].
Tensor to_float(const Tensor& images, const std::vector<double>& mean = {}, const std::vector<double>& std = {});

/// Random changes of images that leave alone what they show. All are drawn for each image by itself from the seed, the
/// number of the call and the image's place in the batch: the same numbers with any number of workers or threads.
struct Augmentation {
  int64_t crop_padding = 0;      ///< pixels that an image may be moved by, up, down and sideways
  bool horizontal_flip = false;  ///< every other image is turned around, on average
  double rotation = 0;           ///< degrees, at most, in both directions
  double scale = 0;              ///< 0.1: from 0.9 to 1.1 times the size
  double fill = 0;               ///< what comes in from outside
  uint64_t seed = 0;
};

/// A new batch [n, channels, height, width], float32 or uint8 on the CPU. `call` says which draw it is: the number of
/// the batch since the beginning of training.
Tensor augmented(const Tensor& images, const Augmentation& how, uint64_t call);

}  // namespace fulmen::data::vision
