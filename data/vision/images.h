#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>
#include <vector>

// Image data from files, as bytes: uint8 [n, channels, height, width], 0 to 255. Files are untrusted: whatever is wrong
// with one is error E017, which names the file, the position and what was expected.
namespace fulmen::data::vision {

struct ImageSet {
  Tensor images;                     ///< uint8 [n, channels, height, width]
  Tensor labels;                     ///< int64 [n]
  std::vector<std::string> classes;  ///< names of the labels

  int64_t size() const { return labels.defined() ? labels.size(0) : 0; }
};

/// An IDX file (the format of MNIST): a tensor of uint8, int8, int16, int32, float32 or float64.
Tensor read_idx(const std::string& path);

/// MNIST, Fashion-MNIST and their like: the folder's train-images-idx3-ubyte and train-labels-idx1-ubyte, or the t10k-
/// files. `classes` are the digits unless given.
ImageSet mnist(const std::string& folder, bool train = true, std::vector<std::string> classes = {});

/// CIFAR-10's binary version: the folder's data_batch_1.bin to data_batch_5.bin, or test_batch.bin.
ImageSet cifar10(const std::string& folder, bool train = true);

/// A picture [channels, height, width] of 1 or 3 channels: PGM or PPM, as text or binary, up to 255 per value.
Tensor read_image(const std::string& path);

/// A folder with a folder of pictures per class. Classes are in alphabetical order, and so are the pictures of each;
/// all are of one size. Files that begin with a dot do not count.
ImageSet image_folder(const std::string& folder);

}  // namespace fulmen::data::vision
