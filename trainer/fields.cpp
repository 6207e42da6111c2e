#include <fulmen/tensor/error.h>
#include <fulmen/tensor/nearest_name.h>
#include <fulmen/trainer/fields.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

namespace fulmen::trainer {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
const char* type_words() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, int64_t>) return "integer";
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_same_v<T, std::vector<int64_t>>) return "list of integers";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "list of numbers";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list of texts";
}

/// Sends every kind of field to one template member of Derived.
template <class Derived>
struct EachField : FieldVisitor {
  void visit(const char* n, bool& v) override { self().field(n, v); }
  void visit(const char* n, int64_t& v) override { self().field(n, v); }
  void visit(const char* n, double& v) override { self().field(n, v); }
  void visit(const char* n, std::string& v) override { self().field(n, v); }
  void visit(const char* n, std::vector<int64_t>& v) override { self().field(n, v); }
  void visit(const char* n, std::vector<double>& v) override { self().field(n, v); }
  void visit(const char* n, std::vector<std::string>& v) override { self().field(n, v); }
  Derived& self() { return static_cast<Derived&>(*this); }
};

struct ToJson : EachField<ToJson> {
  Json json = Json::object();
  template <class T>
  void field(const char* name, T& value) {
    json[name] = value;
  }
};

/// JSON has no number for NaN and infinity; they are written as null there.
template <class T>
bool fits(const Json& json) {
  if constexpr (std::is_same_v<T, bool>) return json.is_boolean();
  if constexpr (std::is_same_v<T, int64_t>) return json.is_number_integer();
  if constexpr (std::is_same_v<T, double>) return json.is_number();
  if constexpr (std::is_same_v<T, std::string>) return json.is_string();
  if constexpr (std::is_same_v<T, std::vector<int64_t>> || std::is_same_v<T, std::vector<double>> ||
                std::is_same_v<T, std::vector<std::string>>) {
    if (!json.is_array()) return false;
    for (const Json& item : json) {
      if (!fits<typename T::value_type>(item)) return false;
    }
    return true;
  }
}

struct FromJson : EachField<FromJson> {
  explicit FromJson(Json parsed, std::string_view where) : json(std::move(parsed)), where(where) {}
  Json json;
  std::string_view where;
  std::vector<std::string> known;
  template <class T>
  void field(const char* name, T& value) {
    known.emplace_back(name);
    const auto found = json.find(name);
    if (found == json.end()) return;
    if (!fits<T>(*found)) {
      throw Error("E014",
                  str("hyperparameter ", name, " in ", where, " is ", found->dump(), "; expected: ", type_words<T>()),
                  "was the file made by another model?");
    }
    value = found->template get<T>();
  }
};

template <class T>
bool parse(std::string_view text, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    const bool yes = text == "true" || text == "1" || text == "yes" || text == "on";
    const bool no = text == "false" || text == "0" || text == "no" || text == "off";
    value = yes;
    return yes || no;
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = text;
    return true;
  } else {
    if (!text.empty() && text[0] == '+') text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  }
}
template <class T>
bool parse(std::string_view text, std::vector<T>& value) {
  value.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    T item{};
    if (!parse(text.substr(0, comma), item)) return false;
    value.push_back(std::move(item));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

struct SetOne : EachField<SetOne> {
  SetOne(std::string_view name, std::string_view text) : name(name), text(text) {}
  std::string_view name, text;
  bool found = false;
  template <class T>
  void field(const char* field_name, T& value) {
    if (name != field_name) return;
    found = true;
    T parsed{};
    if (!parse(text, parsed)) {
      throw Error("E014", str(name, " is \"", text, "\"; expected: ", type_words<T>()),
                  str("give ", name, " such a value"));
    }
    value = std::move(parsed);
  }
};

struct Number : EachField<Number> {
  std::string_view name;
  const double* replacement = nullptr;
  std::optional<double> found = {};
  Number(std::string_view name, const double* replacement) : name(name), replacement(replacement) {}
  template <class T>
  void field(const char* field_name, T& value) {
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      if (name != field_name) return;
      if (replacement) value = static_cast<T>(*replacement);
      if (!found) found = static_cast<double>(value);
    }
  }
};

struct Describe : EachField<Describe> {
  std::vector<FieldInfo> infos;
  template <class T>
  void field(const char* name, T& value) {
    std::string text = std::is_same_v<T, std::string> ? std::string() : Json(value).dump();
    if constexpr (std::is_same_v<T, std::string>) text = value;
    infos.push_back({name, type_words<T>(), text});
  }
};

}  // namespace

std::string fields_to_json(FieldsRef fields) {
  ToJson visitor;
  fields.visit(visitor);
  return visitor.json.dump();
}

void fields_from_json(FieldsRef fields, std::string_view json, std::string_view where) {
  Json parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object()) throw Error("E014", str("the hyperparameters in ", where, " are no JSON object"), "");
  FromJson visitor(std::move(parsed), where);
  fields.visit(visitor);
  for (const auto& item : visitor.json.items()) {
    if (std::find(visitor.known.begin(), visitor.known.end(), item.key()) != visitor.known.end()) continue;
    const std::string nearest = nearest_name(item.key(), visitor.known);
    throw Error("E014", str("unknown hyperparameter ", item.key(), " in ", where),
                nearest.empty() ? "name it in fields(), or load with the model that made the file"
                                : "did you mean " + nearest + "?");
  }
}

bool set_field(FieldsRef fields, std::string_view name, std::string_view text) {
  SetOne visitor(name, text);
  fields.visit(visitor);
  return visitor.found;
}

std::optional<double> get_number(FieldsRef fields, std::string_view name) {
  Number visitor(name, nullptr);
  fields.visit(visitor);
  return visitor.found;
}

bool set_number(FieldsRef fields, std::string_view name, double value) {
  Number visitor(name, &value);
  fields.visit(visitor);
  return visitor.found.has_value();
}

std::vector<FieldInfo> describe_fields(FieldsRef fields) {
  Describe visitor;
  fields.visit(visitor);
  return visitor.infos;
}

}  // namespace fulmen::trainer
