#pragma once
#include <fulmen/tensor/tensor.h>

namespace fulmen {

/// One value of a kind that is known at run time: nothing, a number, a truth value, a string or a tensor.
class IValue {
 public:
  IValue() = default;
  IValue(int64_t v) : kind_(Kind::Int), number_(v) {}
  IValue(int v) : IValue(static_cast<int64_t>(v)) {}
  IValue(double v) : kind_(Kind::Double), number_(v) {}
  IValue(bool v) : kind_(Kind::Bool), number_(v) {}
  IValue(Tensor v) : kind_(Kind::Tensor), tensor_(std::move(v)) {}
  IValue(std::string v) : kind_(Kind::String), text_(std::move(v)) {}
  IValue(const char* v) : IValue(std::string(v)) {}

  bool isNone() const { return kind_ == Kind::None; }
  bool isInt() const { return kind_ == Kind::Int; }
  bool isDouble() const { return kind_ == Kind::Double; }
  bool isBool() const { return kind_ == Kind::Bool; }
  bool isTensor() const { return kind_ == Kind::Tensor; }
  bool isString() const { return kind_ == Kind::String; }
  int64_t toInt() const { return expect(Kind::Int, "Int").number_.toLong(); }
  double toDouble() const { return expect(Kind::Double, "Double").number_.toDouble(); }
  bool toBool() const { return expect(Kind::Bool, "Bool").number_.toBool(); }
  const Tensor& toTensor() const { return expect(Kind::Tensor, "Tensor").tensor_; }
  const std::string& toStringRef() const { return expect(Kind::String, "String").text_; }

 private:
  enum class Kind : uint8_t { None, Int, Double, Bool, Tensor, String };
  const IValue& expect(Kind kind, const char* name) const {
    static constexpr const char* names[] = {"None", "Int", "Double", "Bool", "Tensor", "String"};
    FULMEN_CHECK(kind_ == kind, "Expected ", name, " but got ", names[static_cast<int>(kind_)]);
    return *this;
  }
  Kind kind_ = Kind::None;
  Scalar number_;
  Tensor tensor_;
  std::string text_;
};

}  // namespace fulmen
