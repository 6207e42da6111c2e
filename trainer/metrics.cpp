#include <fulmen/tensor/error.h>
#include <fulmen/tensor/nearest_name.h>
#include <fulmen/trainer/metrics.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {

const double* Metrics::find(std::string_view name) const {
  for (const Item& item : items_) {
    if (item.first == name) return &item.second;
  }
  return nullptr;
}

double Metrics::operator[](std::string_view name) const {
  if (const double* value = find(name)) return *value;
  std::string known;
  for (const Item& item : items_) known += (known.empty() ? "" : ", ") + item.first;
  const std::string nearest = nearest_name(name, keys());
  throw Error("E011", str("unknown metric: wanted \"", name, "\"; logged: ", known.empty() ? "nothing" : known),
              nearest.empty() ? str("log(\"", name, "\", value) in a step or an epoch hook, or choose another monitor")
                              : str("did you mean \"", nearest, "\"?"));
}

double Metrics::require(std::string_view name, const char* who) const {
  try {
    return (*this)[name];
  } catch (Error& error) {
    error.add_context(who);
    throw;
  }
}

void Metrics::set(std::string_view name, double value) {
  for (Item& item : items_) {
    if (item.first == name) {
      item.second = value;
      return;
    }
  }
  items_.emplace_back(std::string(name), value);
}

void Metrics::update(const Metrics& other) {
  for (const auto& [name, value] : other) set(name, value);
}

void Metrics::erase(std::string_view name) {
  std::erase_if(items_, [name](const Item& item) { return item.first == name; });
}

std::vector<std::string> Metrics::keys() const {
  std::vector<std::string> names;
  for (const Item& item : items_) names.push_back(item.first);
  return names;
}

std::string Metrics::to_json() const {
  std::string line = "{";
  for (const auto& [name, value] : items_) {
    line += (line.size() > 1 ? ", " : "") + nlohmann::json(name).dump() + ": ";
    if (std::isfinite(value)) {
      append(line, value);
    } else {
      line += std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
    }
  }
  return line + "}";
}

}  // namespace fulmen::trainer
