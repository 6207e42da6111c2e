#pragma once
#include <fulmen/tensor/array_ref.h>

#include <cstring>

namespace fulmen {

/// A short owned list of integers (sizes, strides, dimensions): up to 6 lie inside the object.
class Shape {
 public:
  static constexpr uint32_t inline_capacity = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> list) : Shape(IntArrayRef(list)) {}
  Shape(IntArrayRef list) { assign(list); }
  Shape(size_t count, int64_t value) {
    resize(count);
    for (size_t i = 0; i < count; ++i) data()[i] = value;
  }
  Shape(const Shape& other) { assign(other); }
  Shape(Shape&& other) noexcept { steal(other); }
  Shape& operator=(const Shape& other) {
    if (this != &other) assign(other);
    return *this;
  }
  Shape& operator=(Shape&& other) noexcept {
    if (this != &other) {
      release();
      steal(other);
    }
    return *this;
  }
  ~Shape() { release(); }

  operator IntArrayRef() const { return {data(), size_}; }
  int64_t* data() { return capacity_ > inline_capacity ? heap_ : inline_; }
  /// Writes size() numbers to `to`.
  void copy_to(int64_t* to) const { copy(to, data(), size_); }
  const int64_t* data() const { return capacity_ > inline_capacity ? heap_ : inline_; }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + size_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](size_t i) { return data()[i]; }
  int64_t operator[](size_t i) const { return data()[i]; }
  int64_t back() const { return data()[size_ - 1]; }
  std::vector<int64_t> vec() const { return {begin(), end()}; }

  void assign(IntArrayRef list) {
    reserve(list.size());
    copy(data(), list.data(), list.size());
    size_ = static_cast<uint32_t>(list.size());
  }
  /// New entries are not initialised.
  void resize(size_t count) {
    reserve(count);
    size_ = static_cast<uint32_t>(count);
  }
  void push_back(int64_t v) {
    resize(size_ + 1u);
    data()[size_ - 1] = v;
  }
  void insert(size_t at, int64_t v) {
    resize(size_ + 1u);
    std::memmove(data() + at + 1, data() + at, (size_ - 1 - at) * sizeof(int64_t));
    data()[at] = v;
  }
  void erase(size_t at) {
    std::memmove(data() + at, data() + at + 1, (size_ - 1 - at) * sizeof(int64_t));
    --size_;
  }

  friend bool operator==(const Shape& a, const Shape& b) { return IntArrayRef(a).equals(b); }
  friend bool operator==(const Shape& a, IntArrayRef b) { return b.equals(a); }

 private:
  // A handful of moves; the usual one or two dimensions are not worth a call to memmove.
  static void copy(int64_t* to, const int64_t* from, size_t count) {
    switch (count) {
      case 4:
        to[3] = from[3];
        [[fallthrough]];
      case 3:
        to[2] = from[2];
        [[fallthrough]];
      case 2:
        to[1] = from[1];
        [[fallthrough]];
      case 1:
        to[0] = from[0];
        [[fallthrough]];
      case 0:
        return;
      default:
        std::memmove(to, from, count * sizeof(int64_t));
    }
  }
  void reserve(size_t count) {
    if (count <= capacity_) return;
    auto* grown = new int64_t[count];
    std::memcpy(grown, data(), size_ * sizeof(int64_t));
    release();
    heap_ = grown;
    capacity_ = static_cast<uint32_t>(count);
  }
  void steal(Shape& other) noexcept {
    size_ = other.size_;
    capacity_ = other.capacity_;
    if (capacity_ > inline_capacity) {
      heap_ = other.heap_;
      other.capacity_ = inline_capacity;
      other.size_ = 0;
    } else {
      copy(inline_, other.inline_, size_);
    }
  }
  void release() {
    if (capacity_ > inline_capacity) delete[] heap_;
    capacity_ = inline_capacity;
  }

  uint32_t size_ = 0, capacity_ = inline_capacity;
  union {
    int64_t inline_[inline_capacity];
    int64_t* heap_ = nullptr;  // a first value, or g++ 12 warns in every program that it might be read
  };
};

}  // namespace fulmen
