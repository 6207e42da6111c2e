#include <fulmen/data/rows.h>
#include <fulmen/data/split.h>
#include <fulmen/data/vision/images.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <filesystem>

namespace fulmen::data::vision {

namespace {

/// Names in a folder, sorted, without hidden ones.
std::vector<std::string> names_in(const std::string& folder, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name[0] != '.' && entry.is_directory() == folders) names.push_back(name);
  }
  if (error) throw Error("E017", str(folder, ": cannot read the folder: ", error.message()), "check the path");
  std::sort(names.begin(), names.end());
  return names;
}

/// Adds pictures of one folder, each of which must be as large as the first.
class Pictures {
 public:
  void add(const std::string& path) {
    images_.push_back(read_image(path));
    files_.push_back(path);
    const Tensor &image = images_.back(), &first = images_[0];
    if (image.size(1) != first.size(1) || image.size(2) != first.size(2)) {
      throw Error("E017", str(path, ": the picture is ", image.sizes(), ", but ", files_[0], " is ", first.sizes()),
                  "bring all pictures to one size");
    }
    colour_ = colour_ || image.size(0) == 3;
  }
  bool empty() const { return images_.empty(); }
  /// Leaves none behind.
  ImageSet take() {
    std::vector<const Tensor*> all;
    for (Tensor& image : images_) {
      if (colour_ && image.size(0) == 1) image = image.expand({3, image.size(1), image.size(2)}).contiguous();
      all.push_back(&image);
    }
    return {stack_rows(all), {}, {}, std::move(files_)};
  }

 private:
  std::vector<Tensor> images_;
  std::vector<std::string> files_;
  bool colour_ = false;
};

}  // namespace

ImageSet ImageSet::take(std::span<const int64_t> rows) const {
  ImageSet some{gather_rows(images, rows), labels.defined() ? gather_rows(labels, rows) : Tensor(), classes, {}};
  if (!files.empty()) {
    for (int64_t row : rows) some.files.push_back(files[static_cast<size_t>(row)]);
  }
  return some;
}

std::vector<ImageSet> split(const ImageSet& set, const std::vector<double>& fractions, uint64_t seed) {
  std::vector<ImageSet> parts;
  for (const auto& rows : split_rows(set.size(), fractions, seed, "images")) parts.push_back(set.take(rows));
  return parts;
}

ImageSet image_folder(const std::string& folder) {
  const std::vector<std::string> classes = names_in(folder, true);
  if (classes.empty()) {
    throw Error("E017", str(folder, ": there are no folders in it"), "put the pictures of each class into a folder");
  }
  Pictures pictures;
  std::vector<int64_t> labels;
  for (size_t c = 0; c < classes.size(); ++c) {
    for (const std::string& name : names_in(folder + "/" + classes[c], false)) {
      pictures.add(folder + "/" + classes[c] + "/" + name);
      labels.push_back(static_cast<int64_t>(c));
    }
  }
  if (pictures.empty()) throw Error("E017", str(folder, ": there are no pictures in its folders"), "check the path");
  ImageSet set = pictures.take();
  set.labels = rows_of(std::span<const int64_t>(labels));
  set.classes = classes;
  return set;
}

ImageSet image_set(const std::string& path, bool train) {
  namespace fs = std::filesystem;
  Pictures pictures;
  if (!fs::is_directory(path)) {
    if (!train) return {};
    pictures.add(path);
    return pictures.take();
  }
  bool idx = false, cifar = false, of_part = false;
  for (const std::string& name : names_in(path, false)) {
    const bool is_train = name.starts_with("train-images"), is_test = name.starts_with("t10k-images");
    const bool is_batch = name.starts_with("data_batch_"), is_test_batch = name.starts_with("test_batch.bin");
    idx = idx || is_train || is_test;
    cifar = cifar || is_batch || is_test_batch;
    of_part = of_part || (train ? is_train || is_batch : is_test || is_test_batch);
  }
  if ((idx || cifar) && !of_part) return {};
  if (idx) return mnist(path, train);
  if (cifar) return cifar10(path, train);
  if (!train) return {};
  if (!names_in(path, true).empty()) return image_folder(path);
  for (const std::string& name : names_in(path, false)) pictures.add(path + "/" + name);
  if (pictures.empty()) throw Error("E017", str(path, ": the folder is empty"), "check the path");
  return pictures.take();
}

}  // namespace fulmen::data::vision
