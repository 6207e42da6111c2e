#pragma once
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace fulmen::trainer {

/// Visits the members that a struct names in its `fields`:
/// `void fields(auto&& f) { f("hidden", hidden), f("lr", lr); }`. From that one line come the JSON in checkpoints and
/// logs, restoring, and command-line flags. Members may be bool, integers, floating-point numbers, std::string, and
/// std::vector of int64_t, double or std::string.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void visit(const char* name, bool& value) = 0;
  virtual void visit(const char* name, int64_t& value) = 0;
  virtual void visit(const char* name, double& value) = 0;
  virtual void visit(const char* name, std::string& value) = 0;
  virtual void visit(const char* name, std::vector<int64_t>& value) = 0;
  virtual void visit(const char* name, std::vector<double>& value) = 0;
  virtual void visit(const char* name, std::vector<std::string>& value) = 0;

  template <class T>
  FieldVisitor& operator()(const char* name, T& value) {
    if constexpr (std::same_as<T, bool> || std::same_as<T, int64_t> || std::same_as<T, double>) {
      visit(name, value);
    } else if constexpr (std::is_integral_v<T>) {
      as<int64_t>(name, value);
    } else if constexpr (std::is_floating_point_v<T>) {
      as<double>(name, value);
    } else {
      static_assert(
          requires { visit(name, value); },
          "fields() names bool, integers, floating-point numbers, std::string, and vectors of int64_t, double "
          "and std::string");
      visit(name, value);
    }
    return *this;
  }

 private:
  template <class Wide, class T>
  void as(const char* name, T& value) {
    Wide wide = static_cast<Wide>(value);
    visit(name, wide);
    value = static_cast<T>(wide);
  }
};

/// A struct with `fields`, without its type.
class FieldsRef {
 public:
  template <class H>
  requires(!std::same_as<std::remove_cvref_t<H>, FieldsRef>) FieldsRef(H& object)
      : object_(const_cast<std::remove_const_t<H>*>(&object)),
        visit_([](void* object, FieldVisitor& f) { static_cast<std::remove_const_t<H>*>(object)->fields(f); }) {}
  /// Of an object that names no fields itself.
  FieldsRef(void* object, void (*visit)(void*, FieldVisitor&)) : object_(object), visit_(visit) {}
  void visit(FieldVisitor& f) const { visit_(object_, f); }

 private:
  void* object_;
  void (*visit_)(void*, FieldVisitor&);
};

/// One line of JSON: {"hidden": 64, "lr": 0.001}.
std::string fields_to_json(FieldsRef fields);
/// Sets the fields that the JSON names and leaves the others at their values. An unknown name is error E014 with the
/// nearest name, a value of another type as well; `where` says whose fields they are ("best.ckpt").
void fields_from_json(FieldsRef fields, std::string_view json, std::string_view where);
/// Sets one field from text, as a command line gives it ("--model.lr 1e-3"); lists are "64,64,32". False if there is no
/// such field; throws E014 if the text is no value of its type.
bool set_field(FieldsRef fields, std::string_view name, std::string_view text);

/// A field that is a number; none if there is no such field.
std::optional<double> get_number(FieldsRef fields, std::string_view name);
/// Sets it; an integer takes the whole part. False if there is no such field.
bool set_number(FieldsRef fields, std::string_view name, double value);

struct FieldInfo {
  std::string name;
  std::string type;   ///< "integer", "number", "true or false", "text", or "list of ..."
  std::string value;  ///< as text
};
std::vector<FieldInfo> describe_fields(FieldsRef fields);

template <class H>
concept HasFields = requires(H& h, FieldVisitor& f) {
  h.fields(f);
};

namespace detail {
#define FULMEN_HAS_NUMBER(T, member)                                             \
  (requires(T & object) {                                                        \
    object.member = 1;                                                           \
    requires std::is_arithmetic_v<std::remove_cvref_t<decltype(object.member)>>; \
  })

/// What tuners may set in a module or a data module: public numbers `lr`, `learning_rate` and `batch_size`, what it
/// names in `fields`, and its hyperparameters if they are a public member `hp`.
template <class T>
FieldsRef tunables_of(T& object) {
  return FieldsRef(&object, [](void* address, FieldVisitor& f) {
    T& object = *static_cast<T*>(address);
    if constexpr (FULMEN_HAS_NUMBER(T, lr)) f("lr", object.lr);
    if constexpr (FULMEN_HAS_NUMBER(T, learning_rate)) f("learning_rate", object.learning_rate);
    if constexpr (FULMEN_HAS_NUMBER(T, batch_size)) f("batch_size", object.batch_size);
    if constexpr (HasFields<T>) object.fields(f);
    if constexpr (requires { object.hp.fields(f); }) object.hp.fields(f);
  });
}
#undef FULMEN_HAS_NUMBER
}  // namespace detail

}  // namespace fulmen::trainer
