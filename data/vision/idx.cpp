#include <fulmen/data/file_bytes.h>
#include <fulmen/data/rows.h>
#include <fulmen/data/vision/images.h>
#include <fulmen/tensor/error.h>

#include <cstring>
#include <filesystem>

namespace fulmen::data::vision {

namespace {

[[noreturn]] void refuse(const std::string& path, size_t at, const std::string& what, const std::string& fix) {
  throw Error("E017", str(path, ", byte ", at, ": ", what), fix);
}

ScalarType type_of(const std::string& path, unsigned char code) {
  switch (code) {
    case 0x08:
      return kByte;
    case 0x09:
      return kChar;
    case 0x0B:
      return kShort;
    case 0x0C:
      return kInt;
    case 0x0D:
      return kFloat;
    case 0x0E:
      return kDouble;
    default:
      refuse(path, 2, str("an IDX file has type 8, 9, 11, 12, 13 or 14 here, got ", static_cast<int>(code)),
             "give the file as it is distributed");
  }
}

/// The big-endian number of 4 bytes.
int64_t number_at(const std::string& bytes, size_t at) {
  int64_t n = 0;
  for (size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
  return n;
}

/// The file with one of these names, or the same with .gz.
std::string first_of(const std::string& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const char* end : {"", ".gz"}) {
      std::string path = folder + "/" + name + end;
      if (std::filesystem::is_regular_file(path)) return path;
    }
  }
  throw Error("E017", str(folder, ": there is no file ", names[0]),
              "give the folder that the files were unpacked into");
}

}  // namespace

Tensor read_idx(const std::string& path) {
  const std::string bytes = read_file(path);
  const std::string fix = "give the file as it is distributed";
  if (bytes.size() < 4) refuse(path, bytes.size(), "the file ends within its header of 4 bytes", fix);
  if (bytes[0] != 0 || bytes[1] != 0) refuse(path, 0, "an IDX file begins with two zeros", fix);
  const ScalarType dtype = type_of(path, static_cast<unsigned char>(bytes[2]));
  const auto dims = static_cast<size_t>(static_cast<unsigned char>(bytes[3]));
  if (dims == 0 || dims > 8) refuse(path, 3, str("1 to 8 dimensions were expected, got ", dims), fix);
  const size_t header = 4 + 4 * dims;
  if (bytes.size() < header)
    refuse(path, bytes.size(), str("the file ends within its header of ", header, " bytes"), fix);
  std::vector<int64_t> sizes;
  const auto width = static_cast<size_t>(element_size(dtype));
  size_t expected = width;
  for (size_t d = 0; d < dims; ++d) {
    sizes.push_back(number_at(bytes, 4 + 4 * d));
    const auto size = static_cast<size_t>(sizes.back());
    if (size != 0 && expected > bytes.size() / size) {
      refuse(path, 4 + 4 * d, str("sizes ", IntArrayRef(sizes), " are more than the file holds"), fix);
    }
    expected *= size;
  }
  if (bytes.size() - header != expected) {
    refuse(path, bytes.size() < header + expected ? bytes.size() : header + expected,
           str("sizes ", IntArrayRef(sizes), " of ", dtype, " are ", expected, " bytes, but ", bytes.size() - header,
               " follow the header"),
           fix);
  }
  Tensor values = empty_rows(sizes, dtype);
  auto* to = static_cast<char*>(values.data_ptr());
  for (size_t i = 0; i < expected; ++i) to[i / width * width + (width - 1 - i % width)] = bytes[header + i];
  return values;
}

ImageSet mnist(const std::string& folder, bool train, std::vector<std::string> classes) {
  const std::string start = train ? "train" : "t10k";
  const std::string image_path = first_of(folder, {start + "-images-idx3-ubyte", start + "-images.idx3-ubyte"});
  const std::string label_path = first_of(folder, {start + "-labels-idx1-ubyte", start + "-labels.idx1-ubyte"});
  const Tensor images = read_idx(image_path), labels = read_idx(label_path);
  const std::string fix = "give MNIST's own files";
  if (images.dim() != 3 || images.scalar_type() != kByte)
    refuse(image_path, 2, str("expected bytes [n, height, width], got ", images), fix);
  if (labels.dim() != 1 || labels.scalar_type() != kByte)
    refuse(label_path, 2, str("expected bytes [n], got ", labels), fix);
  if (images.size(0) != labels.size(0)) {
    refuse(label_path, 4, str("there are ", labels.size(0), " labels for ", images.size(0), " images"), fix);
  }
  if (classes.empty()) classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  const auto* label = static_cast<const unsigned char*>(labels.data_ptr());
  for (int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] >= classes.size()) {
      refuse(label_path, static_cast<size_t>(8 + i),
             str("label ", static_cast<int>(label[i]), " is not below ", classes.size()), fix);
    }
  }
  return {images.view({images.size(0), 1, images.size(1), images.size(2)}), labels.to(kLong), std::move(classes), {}};
}

ImageSet cifar10(const std::string& folder, bool train) {
  constexpr size_t pixels = 3 * 32 * 32, record = pixels + 1;
  std::string all;
  const std::vector<std::string> names =
      train ? std::vector<std::string>{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                       "data_batch_5.bin"}
            : std::vector<std::string>{"test_batch.bin"};
  const std::string fix = "give the folder cifar-10-batches-bin of the binary version";
  for (const std::string& name : names) {
    const std::string path = first_of(folder, {name}), bytes = read_file(path);
    if (bytes.empty() || bytes.size() % record != 0) {
      refuse(path, bytes.size() / record * record, str("the file is no whole number of records of ", record, " bytes"),
             fix);
    }
    for (size_t at = 0; at < bytes.size(); at += record) {
      if (static_cast<unsigned char>(bytes[at]) > 9) {
        refuse(path, at, str("label ", static_cast<int>(static_cast<unsigned char>(bytes[at])), " is not below 10"),
               fix);
      }
    }
    all += bytes;
  }
  const auto n = static_cast<int64_t>(all.size() / record);
  Tensor images = empty_rows({n, 3, 32, 32}, kByte), labels = empty_rows({n}, kLong);
  for (int64_t i = 0; i < n; ++i) {
    const char* from = all.data() + static_cast<size_t>(i) * record;
    labels.data_ptr<int64_t>()[i] = static_cast<unsigned char>(from[0]);
    std::memcpy(static_cast<char*>(images.data_ptr()) + static_cast<size_t>(i) * pixels, from + 1, pixels);
  }
  return {
      images, labels, {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}, {}};
}

}  // namespace fulmen::data::vision
