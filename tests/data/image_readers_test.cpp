// PNG, JPEG and gzip files, written here by the libraries that read them.
#ifdef FULMEN_IMAGES
#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/data/csv.h>
#include <fulmen/data/file_bytes.h>
#include <fulmen/data/vision/images.h>
#include <png.h>
#include <tests/message_of.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

// After <cstdio>, whose FILE it needs.
#include <jpeglib.h>

using namespace fulmen;
using namespace fulmen::data::vision;
using fulmen::testing::mentions;
using fulmen::testing::message_of;

namespace {

class TestFolder {
 public:
  TestFolder()
      : path_(std::filesystem::temp_directory_path() / ("fulmen_image_readers_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = "") const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

std::string zipped(const std::string& bytes, int level = 6) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, bytes.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

struct PngForm {
  png_uint_32 width = 2, height = 1;
  int depth = 8, color = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<png_color> palette = {};
};

/// A PNG whose rows hold `pixels` as they are.
std::string png(const PngForm& form, const std::string& pixels) {
  std::string out;
  png_structp to = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(to);
  png_set_write_fn(
      to, &out,
      [](png_structp p, png_bytep bytes, size_t count) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(bytes), count);
      },
      nullptr);
  png_set_IHDR(to, info, form.width, form.height, form.depth, form.color,
               form.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!form.palette.empty()) png_set_PLTE(to, info, form.palette.data(), static_cast<int>(form.palette.size()));
  const size_t row = pixels.size() / form.height;
  std::vector<png_bytep> rows;
  for (size_t y = 0; y < form.height; ++y) {
    rows.push_back(reinterpret_cast<png_bytep>(const_cast<char*>(pixels.data() + y * row)));
  }
  png_set_rows(to, info, rows.data());
  png_write_png(to, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&to, &info);
  return out;
}

std::string jpeg(int width, int height, int channels, const std::string& pixels, bool progressive = false) {
  jpeg_compress_struct to{};
  jpeg_error_mgr errors{};
  to.err = jpeg_std_error(&errors);
  jpeg_create_compress(&to);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&to, &bytes, &size);
  to.image_width = static_cast<JDIMENSION>(width);
  to.image_height = static_cast<JDIMENSION>(height);
  to.input_components = channels;
  to.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&to);
  jpeg_set_quality(&to, 95, TRUE);
  if (progressive) jpeg_simple_progression(&to);
  jpeg_start_compress(&to, TRUE);
  for (int y = 0; y < height; ++y) {
    auto* row = reinterpret_cast<JSAMPROW>(const_cast<char*>(pixels.data() + y * width * channels));
    jpeg_write_scanlines(&to, &row, 1);
  }
  jpeg_finish_compress(&to);
  std::string out(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&to);
  free(bytes);
  return out;
}

/// Cut off anywhere: an error. A bit changed anywhere: an error or a picture, and no more.
void damage(const TestFolder& folder, const std::string& whole, bool (*reads)(const std::string& path)) {
  const auto outcome = [&](const std::string& bytes) {
    const std::string path = folder.write("damaged", bytes);
    try {
      return reads(path);
    } catch (const Error& e) {
      CHECK(e.code() == "E017");
      return false;
    }
  };
  CHECK(outcome(whole));
  for (size_t i = 0; i < whole.size(); ++i) {
    CHECK_MESSAGE(!outcome(whole.substr(0, i)), i);
    std::string changed = whole;
    for (int bit : {0, 3, 7}) {
      changed[i] = static_cast<char>(whole[i] ^ (1 << bit));
      outcome(changed);
    }
    changed[i] = static_cast<char>(0xff);
    outcome(changed);
  }
}

}  // namespace

TEST_SUITE_BEGIN("data");

TEST_CASE("PNG: grey, colour, palette, transparency, few and many bits, interlaced") {
  const TestFolder folder;
  const auto read = [&](const PngForm& form, const std::string& pixels) {
    return read_image(folder.write("a.png", png(form, pixels)));
  };
  CHECK(read({}, "abcdef").equal(tensor({97, 100, 98, 101, 99, 102}, kByte).view({3, 1, 2})));
  CHECK(read({.color = PNG_COLOR_TYPE_GRAY}, "ab").equal(tensor({97, 98}, kByte).view({1, 1, 2})));
  CHECK(read({.color = PNG_COLOR_TYPE_RGBA}, std::string("abc\0def\x7f", 8)).sizes() == IntArrayRef({3, 1, 2}));
  CHECK(read({.color = PNG_COLOR_TYPE_RGBA}, std::string("abc\0def\x7f", 8)).equal(read({}, "abcdef")));
  CHECK(
      read({.color = PNG_COLOR_TYPE_GRAY_ALPHA}, std::string("a\0b\xff", 4)).flatten().equal(tensor({97, 98}, kByte)));
  CHECK(read({.depth = 16, .color = PNG_COLOR_TYPE_GRAY}, "axby").flatten().equal(tensor({97, 98}, kByte)));
  CHECK(read({.width = 4, .depth = 2, .color = PNG_COLOR_TYPE_GRAY}, "\x1b")
            .flatten()
            .equal(tensor({0, 85, 170, 255}, kByte)));
  CHECK(read({.depth = 1, .color = PNG_COLOR_TYPE_PALETTE, .palette = {{1, 2, 3}, {9, 8, 7}}}, "\x40")
            .equal(tensor({1, 9, 2, 8, 3, 7}, kByte).view({3, 1, 2})));
  std::string many;
  for (int i = 0; i < 9 * 7; ++i) many += static_cast<char>(i * 4);
  const PngForm grey{.width = 9, .height = 7, .color = PNG_COLOR_TYPE_GRAY};
  PngForm interlaced = grey;
  interlaced.interlaced = true;
  CHECK(read(interlaced, many).equal(read(grey, many)));
  CHECK(read(grey, many).equal((arange(63, kLong) * 4).to(kByte).view({1, 7, 9})));
}

TEST_CASE("JPEG: grey and colour, baseline and progressive") {
  const TestFolder folder;
  std::string grey, colour;
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      grey += static_cast<char>(8 * x + 2 * y);
      colour += static_cast<char>(10 * x);
      colour += static_cast<char>(10 * y);
      colour += static_cast<char>(100);
    }
  }
  for (bool progressive : {false, true}) {
    const Tensor g = read_image(folder.write("a.jpg", jpeg(24, 16, 1, grey, progressive)));
    CHECK(g.sizes() == IntArrayRef({1, 16, 24}));
    const Tensor expected = 8 * arange(24, kFloat) + 2 * arange(16, kFloat).unsqueeze(1);
    CHECK((g[0].to(kFloat) - expected).abs().max().item<float>() <= 6);
    const Tensor c = read_image(folder.write("b.jpg", jpeg(24, 16, 3, colour, progressive)));
    CHECK(c.sizes() == IntArrayRef({3, 16, 24}));
    CHECK((c[0].to(kFloat) - 10 * arange(24, kFloat)).abs().mean().item<float>() < 6);
    CHECK((c[2].to(kFloat) - 100).abs().mean().item<float>() < 6);
  }
  const std::string cmyk = jpeg(24, 4, 4, grey);
  CHECK(mentions(message_of([&] { read_image(folder.write("c.jpg", cmyk)); }), "4 components; grey and colour"));
}

TEST_CASE("pictures that claim any size, and gzip files that hold it, are refused before memory is asked for") {
  const TestFolder folder;
  std::string large = png({.color = PNG_COLOR_TYPE_GRAY}, "ab");
  const std::string size{0, 0, static_cast<char>(0xea), 0x60};  // 60,000
  large.replace(16, 8, size + size);
  const auto* header = reinterpret_cast<const Bytef*>(large.data() + 12);
  const auto sum = crc32(0, header, 17);
  for (size_t i = 0; i < 4; ++i) large[29 + i] = static_cast<char>(sum >> (24 - 8 * i));
  CHECK(
      mentions(message_of([&] { read_image(folder.write("a.png", large)); }), "60000 x 60000 pixels; up to 67108864"));
  std::string wide = jpeg(8, 8, 1, std::string(64, 'a'));
  const size_t frame = wide.find("\xff\xc0");
  wide.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  CHECK(mentions(message_of([&] { read_image(folder.write("a.jpg", wide)); }), "65280 x 65280 pixels"));

  const std::string bomb = folder.write("bomb.csv.gz", zipped(std::string(size_t{100} << 20, '\0'), 9));
  CHECK(mentions(message_of([&] { data::read_csv(bomb); }), "holds more than 200 times its own size"));
  const std::string text = folder.write("text.gz", zipped(std::string(1000, 'a')));
  CHECK(data::read_file(text) == std::string(1000, 'a'));
  CHECK(mentions(message_of([&] { data::read_file(text, 999); }), "holds more than 999 bytes"));
}

TEST_CASE("gzip: any file that is read may be compressed, in several parts") {
  const TestFolder folder;
  CHECK(data::read_file(folder.write("a", zipped("one ") + zipped("") + zipped("two"))) == "one two");
  CHECK(data::read_file(folder.write("a", zipped("one") + std::string(512, '\0'))) == "one");
  CHECK(mentions(message_of([&] { data::read_file(folder.write("a", zipped("one") + "x")); }), "gzip"));
  std::string random;
  for (uint32_t i = 0, x = 1; i < 3000000; ++i) random += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  CHECK(data::read_file(folder.write("a", zipped(random))) == random);
  CHECK(data::read_csv(folder.write("t.csv.gz", zipped("a,b\n1,2\n3,4\n"))).rows() == 2);

  const std::string images(
      "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x02"
      "abcd",
      20),
      labels("\0\0\x08\x01\0\0\0\x02\x01\x02", 10);
  folder.write("train-images-idx3-ubyte.gz", zipped(images));
  folder.write("train-labels-idx1-ubyte.gz", zipped(labels));
  const ImageSet set = mnist(folder.path());
  CHECK(set.images.sizes() == IntArrayRef({2, 1, 1, 2}));
  CHECK(image_set(folder.path()).labels.equal(tensor({1, 2}, kLong)));
  CHECK(image_set(folder.path(), false).size() == 0);
  folder.write("train-images-idx3-ubyte.gz", zipped(images).substr(0, 25));
  CHECK(mentions(message_of([&] { mnist(folder.path()); }), "train-images-idx3-ubyte.gz: the gzip file ends early"));
}

TEST_CASE("folders of PNG and JPEG pictures") {
  const TestFolder folder;
  const std::string grey = png({.width = 8, .height = 8, .color = PNG_COLOR_TYPE_GRAY}, std::string(64, 'a'));
  folder.write("set/cats/a.png", grey);
  folder.write("set/dogs/b.jpg", jpeg(8, 8, 3, std::string(192, 'x')));
  const ImageSet set = image_set(folder.path("set"));
  CHECK(set.images.sizes() == IntArrayRef({2, 3, 8, 8}));  // the grey one became three channels
  CHECK(set.images[0].equal(full({3, 8, 8}, 97, kByte)));
  CHECK(set.classes == std::vector<std::string>{"cats", "dogs"});
  CHECK(set.files[1] == folder.path("set/dogs/b.jpg"));
  const ImageSet one = image_set(folder.path("set/cats/a.png"));
  CHECK(one.images.sizes() == IntArrayRef({1, 1, 8, 8}));
  CHECK(!one.labels.defined());
  CHECK(image_set(folder.path("set/cats")).size() == 1);
  const auto parts = split(set, {0.5}, 0);
  CHECK(parts[0].size() == 1);
  CHECK(parts[0].files != parts[1].files);
  CHECK(mentions(message_of([&] { image_set(folder.path("none")); }), "none"));
}

TEST_CASE("damaged PNG, JPEG and gzip files") {
  const TestFolder folder;
  const auto reads = [](const std::string& path) { return read_image(path).defined(); };
  std::string many;
  for (int i = 0; i < 12 * 12; ++i) many += static_cast<char>(i * i);
  damage(folder, png({.width = 12, .height = 4}, many), reads);
  damage(folder, png({.width = 12, .height = 12, .color = PNG_COLOR_TYPE_GRAY, .interlaced = true}, many), reads);
  damage(folder, jpeg(12, 12, 1, many), reads);
  damage(folder, jpeg(12, 4, 3, many, true), reads);
  damage(folder, zipped("a,b\n1,2\n3,4\n"), [](const std::string& path) { return data::read_csv(path).rows() == 2; });
}

TEST_SUITE_END();
#endif
