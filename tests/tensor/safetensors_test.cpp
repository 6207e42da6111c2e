#include <doctest/doctest.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>
#include <fulmen/tensor/npy.h>
#include <fulmen/tensor/safetensors.h>
#include <signal.h>
#include <sys/wait.h>
#include <tests/tensor/support.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace fulmen;
using fulmen::testing::mentions;
namespace fs = std::filesystem;

TEST_SUITE_BEGIN("tensor");

namespace {

/// A directory of its own for each test, gone afterwards.
struct Folder {
  Folder() : path(fs::temp_directory_path() / ("fulmen_files_" + std::to_string(::getpid()))) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  fs::path path;
};

const ScalarType all_dtypes[] = {kByte, kChar, kShort, kInt, kLong, kHalf, kFloat, kDouble, kBool, kBFloat16};

bool same(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const Tensor x = a.contiguous(), y = b.contiguous();
  return x.nbytes() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

Safetensors example() {
  Safetensors content;
  for (ScalarType t : all_dtypes) {
    content.tensors.emplace_back("z." + std::string(dtype_name(t)), tensor({{1, 0, 1}, {0, 1, 1}}, t));
  }
  content.tensors.emplace_back("scalar", tensor(2.5));
  content.tensors.emplace_back("none", empty({0, 4}));
  content.tensors.emplace_back("strided", arange(6, kFloat).view({2, 3}).t());
  content.tensors.emplace_back("\xc3\xa9\"\\\n", tensor({1, 2, 3}));
  content.metadata = {{"b", "{\"json\": [1, 2]}"}, {"a", "line\nline \xe2\x86\x92"}};
  return content;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + data;
}

std::string refusal(const std::string& bytes) {
  try {
    safetensors_from_bytes(bytes.data(), bytes.size(), "weights.safetensors");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string npy_refusal(const std::string& bytes) {
  try {
    npy_from_bytes(bytes.data(), bytes.size(), "x.npy");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("safetensors: everything comes back, in order") {
  const Safetensors content = example();
  const Folder folder;
  const std::string path = folder.file("a.safetensors");
  save_safetensors(path, content);
  const Safetensors back = load_safetensors(path);
  REQUIRE(back.tensors.size() == content.tensors.size());
  bool all_same = true;
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    all_same = all_same && back.tensors[i].first == content.tensors[i].first &&
               same(back.tensors[i].second, content.tensors[i].second);
  }
  CHECK(all_same);
  CHECK(back.metadata == content.metadata);
  CHECK(*back.text("b") == "{\"json\": [1, 2]}");
  CHECK(back.text("c") == nullptr);
  CHECK(back.tensor("scalar")->item<float>() == 2.5f);
  CHECK(back.tensor("nothing") == nullptr);
  CHECK(load_safetensors(path).tensors.size() == content.tensors.size());
  CHECK(safetensors_bytes(back) == safetensors_bytes(content));
  // Nothing but the file is left behind.
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}

TEST_CASE("safetensors: the layout that other readers expect") {
  Safetensors content;
  content.tensors.emplace_back("flags", tensor({true, false, true}));
  content.tensors.emplace_back("x", tensor({1.5, -2.0}, kDouble));
  const std::string bytes = safetensors_bytes(content);
  const std::string header =
      "{\"flags\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[16,19]},"
      "\"x\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
  const size_t padded = (header.size() + 7) / 8 * 8;
  CHECK(static_cast<unsigned char>(bytes[0]) == padded);
  CHECK(bytes.substr(8, header.size()) == header);
  CHECK(bytes.size() == 8 + padded + 19);
  double x[2];
  std::memcpy(x, bytes.data() + 8 + padded, sizeof x);
  CHECK(x[1] == -2.0);
  CHECK(bytes.substr(8 + padded + 16) == std::string("\1\0\1", 3));
}

TEST_CASE("safetensors: a file made by Python's safetensors") {
  const std::string header =
      "{\"__metadata__\":{\"who\":\"python\"},\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
      "\"layer.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
      "\"h\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[16,18]},"
      "\"flags\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[18,21]}}    ";
  const std::string data("\7\0\0\0\0\0\0\0\0\0\xc0\x3f\0\0\0\xc0\0\x3f\1\0\1", 21);
  const std::string bytes = file_of(header, data);
  const Safetensors content = safetensors_from_bytes(bytes.data(), bytes.size());
  CHECK(*content.text("who") == "python");
  CHECK(same(*content.tensor("n"), tensor(7)));
  CHECK(same(*content.tensor("layer.weight"), tensor({{1.5, -2.0}})));
  CHECK(same(*content.tensor("h"), tensor({0.5}, kBFloat16)));
  CHECK(same(*content.tensor("flags"), tensor({true, false, true})));
}

TEST_CASE("safetensors: the reference cases, if they are there") {
  const std::string folder = fulmen::testing::shared_dir();
  if (folder.empty()) return;
  const Safetensors content = load_safetensors(folder + "/conformance/modules.safetensors");
  CHECK(content.tensors.size() > 1000);
}

TEST_CASE("safetensors: a file cut short at any byte is refused by name") {
  const std::string bytes = safetensors_bytes(example());
  size_t refused = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    refused += mentions(refusal(bytes.substr(0, length)), "weights.safetensors: ");
  }
  CHECK(refused == bytes.size());
  CHECK(mentions(refusal(bytes + "x"), "has 1 bytes after the last tensor"));
  CHECK(refusal(bytes) == "no error");
}

TEST_CASE("safetensors: a damaged header never does more than throw") {
  const std::string bytes = safetensors_bytes(example());
  uint64_t random = 1;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = bytes;
    for (int changes = 0; changes < 1 + round % 3; ++changes) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      damaged[(random >> 33) % 1000] = static_cast<char>(random >> 25);
    }
    refused += refusal(damaged) != "no error";
  }
  CHECK(refused > 1000);
}

TEST_CASE("safetensors: what is wrong is said") {
  auto one = [](const std::string& fields, const std::string& data = "12345678") {
    return refusal(file_of("{\"w\":{" + fields + "}}", data));
  };
  const std::string good = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";
  CHECK(one(good) == "no error");
  CHECK(one("\"shape\":[2],\"data_offsets\":[0,8],\"dtype\":\"F32\"") == "no error");
  CHECK(mentions(one("\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]"), "dtype F8_E4M3, which is not"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), "needs 12 bytes"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]"), "data_offsets [8, 0]"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]", "123456789012"), "expected 0"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]"), "not two numbers"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"), "a negative number"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]"), "not an integer"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]"), "a list where none belongs"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), "has no dtype, shape or data_offsets"));
  CHECK(mentions(one(good + ",\"more\":1"), "unknown field \"more\""));
  CHECK(mentions(one(good + ",\"shape\":[2]"), "the field \"shape\" twice"));
  CHECK(mentions(one("\"dtype\":\"F32\",\"shape\":[4611686018427387904,4611686018427387904],\"data_offsets\":[0,8]"),
                 "is too large"));
  CHECK(mentions(one("\"dtype\":\"BOOL\",\"shape\":[8],\"data_offsets\":[0,8]"), "values other than 0 and 1"));
  CHECK(mentions(refusal(file_of("{\"w\":{" + good + "},\"w\":{" + good + "}}", "12345678")), "\"w\" comes twice"));
  const std::string overlapping = "{\"w\":{" + good + "},\"v\":{" + good + "}}";
  CHECK(mentions(refusal(file_of(overlapping, "1234567812345678")), "neither overlap nor leave gaps"));
  CHECK(mentions(refusal(file_of("{\"__metadata__\":{\"a\":1}}")), "a number where none belongs"));
  CHECK(mentions(refusal(file_of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}")), "key \"a\" comes twice"));
  CHECK(mentions(refusal(file_of("{\"w\":null}")), "null"));
  CHECK(mentions(refusal(file_of("[1]")), "does not begin with {"));
  CHECK(mentions(refusal(file_of("{} trailing")), "not valid JSON"));
  CHECK(mentions(refusal(file_of("{\"\xff\":{}}")), "not valid JSON"));
  CHECK(mentions(refusal(file_of("{" + std::string(100000, '['))), "not valid JSON"));
  CHECK(mentions(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}"), "at most 100000000 are allowed"));
  CHECK(refusal(file_of("{}")) == "no error");
}

TEST_CASE("safetensors: what cannot be saved") {
  Safetensors content;
  content.tensors = {{"a", Tensor()}};
  CHECK_THROWS_AS(safetensors_bytes(content), Error);
  content.tensors = {{"a", ones(1)}, {"a", ones(1)}};
  CHECK_THROWS_AS(safetensors_bytes(content), Error);
  content.tensors = {{"\xff", ones(1)}};
  CHECK_THROWS_AS(safetensors_bytes(content), Error);
  CHECK_THROWS_AS(save_safetensors("/nowhere/at/all.safetensors", {}), Error);
  CHECK_THROWS_AS(load_safetensors("/nowhere/at/all.safetensors"), Error);
  CHECK_THROWS_AS(load_safetensors("/"), Error);
}

TEST_CASE("safetensors: a failed save leaves the old file alone") {
  const Folder folder;
  const std::string path = folder.file("a.safetensors");
  Safetensors content;
  content.tensors.emplace_back("a", ones(3));
  save_safetensors(path, content);
  content.tensors.emplace_back("b", Tensor());
  CHECK_THROWS_AS(save_safetensors(path, content), Error);
  CHECK(load_safetensors(path).tensors.size() == 1);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}

TEST_CASE("safetensors: a program killed while saving leaves the old file or the new one") {
  const Folder folder;
  const std::string path = folder.file("a.safetensors");
  auto content = [](int64_t version) {
    Safetensors c;
    for (int i = 0; i < 20; ++i) c.tensors.emplace_back("w" + std::to_string(i), full(5000, version, kFloat));
    return c;
  };
  const Safetensors versions[] = {content(0), content(1)};
  save_safetensors(path, versions[0]);
  int whole = 0;
  constexpr int rounds = 25;
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 1;; ++i) save_safetensors(path, versions[i % 2]);
    }
    ::usleep(static_cast<useconds_t>(500 + 700 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Safetensors found = load_safetensors(path);
    const float first = found.tensors[0].second[0].item<float>();
    whole += found.tensors.size() == 20 && same(found.tensors[19].second, full(5000, first, kFloat));
  }
  CHECK(whole == rounds);
}

TEST_CASE("npy: everything comes back") {
  const Folder folder;
  bool all_same = true;
  for (ScalarType t : all_dtypes) {
    if (t == kBFloat16) continue;
    for (const Tensor& x : {tensor({{1, 0, 1}, {0, 1, 1}}, t), tensor({1, 1}, t), tensor(1, t), empty({2, 0, 3}, t)}) {
      save_npy(folder.file("x.npy"), x);
      const std::string bytes = npy_bytes(x);
      all_same =
          all_same && same(load_npy(folder.file("x.npy")), x) && same(npy_from_bytes(bytes.data(), bytes.size()), x);
    }
  }
  CHECK(all_same);
  const Tensor strided = arange(6).view({2, 3}).t();
  const std::string bytes = npy_bytes(strided);
  CHECK(same(npy_from_bytes(bytes.data(), bytes.size()), strided));
  CHECK_THROWS_AS(npy_bytes(ones(1, kBFloat16)), Error);
}

TEST_CASE("npy: the layout of numpy, both byte orders and Fortran order") {
  const std::string bytes = npy_bytes(tensor({{1, 2, 3}, {4, 5, 6}}, kShort));
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\1\0\x76\0", 10));
  CHECK(bytes.substr(10, 59) == "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }");
  CHECK(bytes.size() == 128 + 12);
  auto made = [](const std::string& header, const std::string& data) {
    return std::string("\x93NUMPY\1\0", 8) + static_cast<char>(header.size()) + '\0' + header + data;
  };
  const std::string big = made("{'shape': (2,), 'fortran_order': False, 'descr': '>i2'}", std::string("\0\1\1\0", 4));
  CHECK(same(npy_from_bytes(big.data(), big.size()), tensor({1, 256}, kShort)));
  const std::string fortran =
      made("{\"descr\": \"|u1\", \"fortran_order\": True, \"shape\": (2, 3)}\n", std::string("\1\4\2\5\3\6", 6));
  CHECK(same(npy_from_bytes(fortran.data(), fortran.size()), tensor({{1, 2, 3}, {4, 5, 6}}, kByte)));
  CHECK(
      mentions(npy_refusal(made("{'descr': '<c8', 'fortran_order': False, 'shape': ()}", "")), "'<c8', which is not"));
  CHECK(mentions(npy_refusal(made("{'descr': '<f4', 'shape': ()}", "1234")), "lacks one of"));
  CHECK(mentions(npy_refusal(made("{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}", "1234")), "True or False"));
  CHECK(mentions(npy_refusal(made("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}", "")),
                 "too large"));
  CHECK(mentions(npy_refusal("text"), "x.npy"));
}

TEST_CASE("npy: a file cut short or damaged is refused by name") {
  const std::string bytes = npy_bytes(tensor({{1., 2.}, {3., 4.}}));
  size_t refused = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    refused += mentions(npy_refusal(bytes.substr(0, length)), "x.npy: ");
  }
  CHECK(refused == bytes.size());
  CHECK(mentions(npy_refusal(bytes + "x"), "after the data"));
  uint64_t random = 7;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = bytes;
    random = random * 6364136223846793005u + 1442695040888963407u;
    damaged[(random >> 33) % 128] = static_cast<char>(random >> 25);
    npy_refusal(damaged);
  }
}

TEST_SUITE_END();
