#include <fulmen/data/vision/codecs.h>
#include <fulmen/tensor/error.h>

#ifdef FULMEN_IMAGES
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs its FILE
#endif

namespace fulmen::data::vision {

#ifdef FULMEN_IMAGES
namespace {

/// What libjpeg works on. It reports errors through on_error(), which leaves by longjmp(): functions that can be left
/// so hold nothing with a destructor; all that has one lies in here, and is destroyed by whoever called them.
struct Reading {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back{};
  char message[JMSG_LENGTH_MAX] = "unknown error";
  std::string pixels = {};

  Reading() = default;
  ~Reading() { jpeg_destroy_decompress(&jpeg); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
  auto& reading = *static_cast<Reading*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, reading.message);
  std::longjmp(reading.back, 1);
}

/// libjpeg would go on behind damage and fill the rest with grey. Bytes between parts of the file do no harm.
void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) on_error(jpeg);
}
void on_output(j_common_ptr) {}

/// A progressive file can name any number of scans, each of which goes over the whole picture.
void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > 500) {
    auto& reading = *static_cast<Reading*>(jpeg->client_data);
    std::snprintf(reading.message, sizeof reading.message, "more than 500 scans");
    std::longjmp(reading.back, 1);
  }
}

/// The header; false: see message.
bool read_header(Reading& r, const std::string& bytes) {
  r.jpeg.err = jpeg_std_error(&r.errors);
  r.errors.error_exit = on_error;
  r.errors.emit_message = on_message;
  r.errors.output_message = on_output;
  r.jpeg.client_data = &r;
  if (setjmp(r.back)) return false;
  jpeg_create_decompress(&r.jpeg);
  r.progress.progress_monitor = on_progress;
  r.jpeg.progress = &r.progress;
  jpeg_mem_src(&r.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&r.jpeg, TRUE);
  if (r.jpeg.num_components != 1 && r.jpeg.num_components != 3) {
    std::snprintf(r.message, sizeof r.message, "%d components; grey and colour are read", r.jpeg.num_components);
    return false;
  }
  r.jpeg.out_color_space = r.jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return true;
}

bool read_pixels(Reading& r) {
  if (setjmp(r.back)) return false;
  jpeg_start_decompress(&r.jpeg);
  while (r.jpeg.output_scanline < r.jpeg.output_height) {
    JSAMPROW row = reinterpret_cast<JSAMPROW>(r.pixels.data()) +
                   size_t{r.jpeg.output_scanline} * r.jpeg.image_width * static_cast<size_t>(r.jpeg.num_components);
    jpeg_read_scanlines(&r.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&r.jpeg);
  return true;
}

}  // namespace

Tensor decode_jpeg(const std::string& bytes, const std::string& path) {
  Reading r;
  const auto check = [&](bool well) {
    if (!well) throw Error("E017", str(path, ": JPEG: ", r.message), "save the picture anew");
  };
  check(read_header(r, bytes));
  check_size(r.jpeg.image_width, r.jpeg.image_height, path);
  r.pixels.resize(size_t{r.jpeg.image_width} * r.jpeg.image_height * static_cast<size_t>(r.jpeg.num_components));
  check(read_pixels(r));
  return planes_of(r.pixels, r.jpeg.image_height, r.jpeg.image_width, r.jpeg.num_components);
}
#else
Tensor decode_jpeg(const std::string&, const std::string& path) {
  throw Error("E017", str(path, ": this is a JPEG picture, and Fulmen was built without libjpeg"),
              "convert it to PPM, or build Fulmen with FULMEN_IMAGES=ON");
}
#endif

}  // namespace fulmen::data::vision
