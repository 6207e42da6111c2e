#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/data/vision/augment.h>
#include <fulmen/data/vision/images.h>
#include <tests/message_of.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace fulmen;
using namespace fulmen::data::vision;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

/// A folder that goes when the test does.
class TestFolder {
 public:
  explicit TestFolder(const char* name)
      : path_(std::filesystem::temp_directory_path() /
              ("fulmen_vision_" + std::string(name) + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = "") const { return (name.empty() ? path_ : path_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

std::string big(uint32_t n) {
  std::string s;
  for (int shift = 24; shift >= 0; shift -= 8) s += static_cast<char>(n >> shift & 255);
  return s;
}
std::string idx(char type, std::vector<uint32_t> sizes, const std::string& values) {
  std::string s{0, 0, type, static_cast<char>(sizes.size())};
  for (uint32_t size : sizes) s += big(size);
  return s + values;
}

}  // namespace

TEST_SUITE_BEGIN("data");

TEST_CASE("IDX files of every type, and what is wrong with others") {
  const TestFolder folder("idx");
  const Tensor bytes = read_idx(folder.write("bytes", idx(0x08, {2, 3}, "\x01\x02\x03\xff\x05\x06")));
  CHECK(bytes.equal(tensor({1, 2, 3, 255, 5, 6}, kByte).view({2, 3})));
  CHECK(read_idx(folder.write("ints", idx(0x0C, {2}, big(7) + big(0xfffffffe)))).equal(tensor({7, -2}, kInt)));
  CHECK(read_idx(folder.write("floats", idx(0x0D, {1}, big(0x3fc00000)))).equal(tensor({1.5}, kFloat)));
  CHECK(read_idx(folder.write("none", idx(0x08, {0, 4}, ""))).sizes() == IntArrayRef({0, 4}));
  const auto refused = [&](const std::string& content) {
    return message_of([&] { read_idx(folder.write("wrong", content)); });
  };
  CHECK(mentions(refused(idx(0x08, {2, 3}, "12345")), "byte 17: sizes [2, 3] of uint8 are 6 bytes, but 5 follow"));
  CHECK(mentions(refused(idx(0x08, {0xffffffff, 0xffffffff, 0xffffffff}, "")), "are more than the file holds"));
  CHECK(mentions(refused(idx(0x07, {1}, "1")), "byte 2: an IDX file has type"));
  CHECK(mentions(refused("abcdefgh"), "begins with two zeros"));
  // Whatever a file is cut off at or changed to: an error or a tensor, nothing else.
  const std::string whole = idx(0x0B, {2, 2}, "01234567");
  for (size_t i = 0; i < whole.size(); ++i) {
    CHECK(!refused(whole.substr(0, i)).empty());
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      try {
        read_idx(folder.write("changed", changed));
      } catch (const Error& e) {
        CHECK(e.code() == "E017");
      }
    }
  }
}

TEST_CASE("MNIST's and CIFAR-10's files") {
  const TestFolder folder("mnist");
  folder.write("train-images-idx3-ubyte", idx(0x08, {2, 2, 2}, "abcdefgh"));
  folder.write("train-labels-idx1-ubyte", idx(0x08, {2}, std::string("\x03\x09", 2)));
  const ImageSet set = mnist(folder.path());
  CHECK(set.images.sizes() == IntArrayRef({2, 1, 2, 2}));
  CHECK(set.labels.equal(tensor({3, 9}, kLong)));
  CHECK(set.size() == 2);
  CHECK(mentions(message_of([&] { mnist(folder.path(), false); }), "there is no file t10k-images-idx3-ubyte"));
  CHECK(mentions(message_of([&] { mnist(folder.path(), true, {"cat", "dog"}); }), "byte 8: label 3 is not below 2"));

  const std::string record = std::string(1, '\x04') + std::string(3072, 'x');
  folder.write("test_batch.bin", record + record);
  const ImageSet cifar = cifar10(folder.path(), false);
  CHECK(cifar.images.sizes() == IntArrayRef({2, 3, 32, 32}));
  CHECK(cifar.classes[4] == "deer");
  folder.write("test_batch.bin", record + "x");
  CHECK(mentions(message_of([&] { cifar10(folder.path(), false); }), "no whole number of records"));
}

TEST_CASE("pictures, and a folder of them per class") {
  const TestFolder folder("pictures");
  const std::string gray = folder.write("cats/a.pgm", "P2\n# a comment\n3 2\n5\n0 1 2 3 4 5\n");
  CHECK(read_image(gray).equal(tensor({0, 51, 102, 153, 204, 255}, kByte).view({1, 2, 3})));
  CHECK(read_image(folder.write("one.ppm", "P6 1 2 255\nabcdef"))
            .equal(tensor({97, 100, 98, 101, 99, 102}, kByte).view({3, 2, 1})));
  folder.write("dogs/b.pgm", "P5 3 2 255\nABCDEF");
  const ImageSet set = image_folder(folder.path());
  CHECK(set.images.sizes() == IntArrayRef({2, 1, 2, 3}));
  CHECK(set.classes == std::vector<std::string>{"cats", "dogs"});
  CHECK(set.labels.equal(tensor({0, 1}, kLong)));
  folder.write("dogs/c.pgm", "P5 2 2 255\nABCD");
  CHECK(mentions(message_of([&] { image_folder(folder.path()); }), "c.pgm: the picture is [1, 2, 2], but"));
  CHECK(mentions(message_of([&] { read_image(folder.write("x", "P5 60000 60000 255\nA")); }),
                 "the picture has 60000 x 60000 pixels; up to 67108864 are read"));
  CHECK(mentions(message_of([&] { read_image(folder.write("x", "GIF89a")); }), "no PNG, JPEG, PGM or PPM picture"));
  CHECK(mentions(message_of([&] { image_folder(folder.path("none")); }), "cannot read the folder"));
  const std::string whole = "P3 2 1 255\n1 2 3 4 5 6";
  for (size_t i = 0; i < whole.size(); ++i)
    CHECK(!message_of([&] { read_image(folder.write("x", whole.substr(0, i))); }).empty());
}

TEST_CASE("augmentation: drawn from seed, call and place alone") {
  const Tensor images = arange(2 * 3 * 5 * 6, kLong).remainder(251).to(kByte).view({2, 3, 5, 6});
  const Tensor same = augmented(images, {}, 0);
  CHECK(same.equal(images));
  Augmentation how{.crop_padding = 2, .horizontal_flip = true, .rotation = 10, .scale = 0.1, .fill = 0, .seed = 3};
  CHECK(augmented(images, how, 7).equal(augmented(images, how, 7)));
  CHECK(!augmented(images, how, 7).equal(augmented(images, how, 8)));
  CHECK(augmented(images, how, 7)[0].equal(augmented(images.narrow(0, 0, 1), how, 7)[0]));
  // A flip alone is one or the other.
  int flipped = 0;
  for (uint64_t call = 0; call < 200; ++call) {
    const Tensor one = augmented(images, {.horizontal_flip = true, .seed = 1}, call)[0];
    const bool turned = one.equal(flip(images[0], {2}));
    CHECK((turned || one.equal(images[0])));
    flipped += turned;
  }
  CHECK(flipped > 70);
  CHECK(flipped < 130);
  const Tensor numbers = to_float(images, {0.5}, {0.25, 0.5, 1});
  CHECK(
      numbers.allclose((images.to(kFloat) / 255 - 0.5) / tensor({0.25, 0.5, 1.0}, kFloat).view({3, 1, 1}), 1e-5, 1e-6));
}

TEST_SUITE_END();
