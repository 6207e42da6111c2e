#include <fulmen/data/vision/codecs.h>
#include <fulmen/tensor/error.h>

#ifdef FULMEN_IMAGES
#include <png.h>

#include <cstring>
#include <vector>
#endif

namespace fulmen::data::vision {

#ifdef FULMEN_IMAGES
namespace {

/// What libpng reads from and writes to. It reports errors by longjmp(): functions that can be left so hold nothing
/// with a destructor; all that has one lies in here, and is destroyed by whoever called them.
struct Reading {
  const std::string& bytes;
  size_t at = 0;
  char message[160] = "unknown error";
  png_structp png = nullptr;
  png_infop info = nullptr;
  png_uint_32 width = 0, height = 0;
  int channels = 0;
  std::string pixels = {};
  std::vector<png_bytep> rows = {};

  explicit Reading(const std::string& from) : bytes(from) {}
  ~Reading() { png_destroy_read_struct(&png, &info, nullptr); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& reading = *static_cast<Reading*>(png_get_error_ptr(png));
  std::strncpy(reading.message, message, sizeof reading.message - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t count) {
  auto& reading = *static_cast<Reading*>(png_get_io_ptr(png));
  if (count > reading.bytes.size() - reading.at) png_error(png, "the file ends early");
  std::memcpy(to, reading.bytes.data() + reading.at, count);
  reading.at += count;
}

/// The header; false: see message.
bool read_header(Reading& r) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_set_read_fn(r.png, &r, on_read);
  png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);  // check_size() says it better
  png_set_chunk_cache_max(r.png, 128);
  png_set_chunk_malloc_max(r.png, png_alloc_size_t{8} << 20);
  png_read_info(r.png, r.info);
  r.width = png_get_image_width(r.png, r.info);
  r.height = png_get_image_height(r.png, r.info);
  const int kind = png_get_color_type(r.png, r.info);
  if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r.png);
  if (!(kind & PNG_COLOR_MASK_COLOR) && png_get_bit_depth(r.png, r.info) < 8) png_set_expand_gray_1_2_4_to_8(r.png);
  png_set_strip_16(r.png);
  png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
  r.channels = kind & PNG_COLOR_MASK_COLOR ? 3 : 1;
  return true;
}

bool read_pixels(Reading& r) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_read_update_info(r.png, r.info);
  if (png_get_rowbytes(r.png, r.info) != size_t{r.width} * static_cast<size_t>(r.channels)) {
    png_error(r.png, "its rows are of another length");
  }
  png_read_image(r.png, r.rows.data());
  png_read_end(r.png, nullptr);
  return true;
}

}  // namespace

Tensor decode_png(const std::string& bytes, const std::string& path) {
  Reading r(bytes);
  const auto check = [&](bool well) {
    if (!well) throw Error("E017", str(path, ", byte ", r.at, ": PNG: ", r.message), "save the picture anew");
  };
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  r.info = r.png ? png_create_info_struct(r.png) : nullptr;
  check(r.info != nullptr);
  check(read_header(r));
  check_size(r.width, r.height, path);
  const size_t row = size_t{r.width} * static_cast<size_t>(r.channels);
  r.pixels.resize(row * r.height);
  for (size_t y = 0; y < r.height; ++y) r.rows.push_back(reinterpret_cast<png_bytep>(r.pixels.data() + y * row));
  check(read_pixels(r));
  return planes_of(r.pixels, r.height, r.width, r.channels);
}
#else
Tensor decode_png(const std::string&, const std::string& path) {
  throw Error("E017", str(path, ": this is a PNG picture, and Fulmen was built without libpng"),
              "convert it to PPM, or build Fulmen with FULMEN_IMAGES=ON");
}
#endif

}  // namespace fulmen::data::vision
