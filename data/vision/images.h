#pragma once
#include <fulmen/tensor/tensor.h>

#include <span>
#include <string>
#include <vector>

// Image data from files, as bytes: uint8 [n, channels, height, width], 0 to 255. Files are untrusted: whatever is wrong
// with one is error E017, which names the file, the position and what was expected. Files may be compressed by gzip,
// with or without .gz at the end of their names.
namespace fulmen::data::vision {

struct ImageSet {
  Tensor images;                     ///< uint8 [n, channels, height, width]
  Tensor labels;                     ///< int64 [n]
  std::vector<std::string> classes;  ///< names of the labels
  std::vector<std::string> files;    ///< the file of each picture; empty when all are in one

  int64_t size() const { return images.defined() ? images.size(0) : 0; }
  /// Some of them, in the order of `rows`.
  ImageSet take(std::span<const int64_t> rows) const;
};

/// Random parts: one per fraction, and the rest as the last; the same rows as split() of a table gives (data/split.h).
std::vector<ImageSet> split(const ImageSet& set, const std::vector<double>& fractions, uint64_t seed);

/// An IDX file (the format of MNIST): a tensor of uint8, int8, int16, int32, float32 or float64.
Tensor read_idx(const std::string& path);

/// MNIST, Fashion-MNIST and their like: the folder's train-images-idx3-ubyte and train-labels-idx1-ubyte, or the t10k-
/// files. `classes` are the digits unless given.
ImageSet mnist(const std::string& folder, bool train = true, std::vector<std::string> classes = {});

/// CIFAR-10's binary version: the folder's data_batch_1.bin to data_batch_5.bin, or test_batch.bin.
ImageSet cifar10(const std::string& folder, bool train = true);

/// A picture [channels, height, width] of 1 or 3 channels: PNG, JPEG, PGM or PPM (as text or binary), told apart by how
/// the file begins. PNG: palettes become colours, fewer bits than 8 are spread over 0 to 255, of 16 the upper 8 count,
/// and transparency is left out. JPEG: grey and colour, baseline and progressive, no CMYK; as it is stored, whatever
/// its EXIF data say about turning it. At most 2^26 pixels. PNG and JPEG need a library built with FULMEN_IMAGES.
Tensor read_image(const std::string& path);

/// A folder with a folder of pictures per class. Classes are in alphabetical order, and so are the pictures of each;
/// all are of one size; where some are in colour, grey ones get three equal channels. Files that begin with a dot do
/// not count.
ImageSet image_folder(const std::string& folder);

/// What there is at `path`: MNIST's files, CIFAR-10's, a folder of pictures per class, or pictures without labels, in a
/// folder or one file. `train` chooses between the training files and the test files of MNIST and CIFAR-10; where there
/// are none, test files are an empty set.
ImageSet image_set(const std::string& path, bool train = true);

}  // namespace fulmen::data::vision
