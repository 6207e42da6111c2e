#include <fulmen/tensor/error.h>
#include <fulmen/tensor/nearest_name.h>
#include <fulmen/trainer/cli.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fulmen::trainer {
namespace {

constexpr int usage_error = 2;

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

[[noreturn]] void complain(const std::string& what) { throw Error(what); }

/// A value in a configuration file, as a command line would give it.
std::string text_of(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "none";
  if (!value.is_array()) return value.dump();
  std::string list;
  for (const auto& item : value) list += (list.empty() ? "" : ",") + text_of(item);
  return list;
}

}  // namespace

std::string one_line(const std::exception& error) {
  std::string text = error.what(), line;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') {
      line += text[i];
      continue;
    }
    while (i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\n')) ++i;
    if (i + 1 < text.size()) line += "; ";
  }
  return line;
}

Cli::Cli(std::string program, std::string about) : program_(std::move(program)), about_(std::move(about)) {}

Cli& Cli::options(FieldsRef fields, const std::string& prefix) {
  groups_.push_back({prefix.empty() ? "" : prefix + ".", fields});
  return *this;
}

Cli& Cli::describe(std::string option, std::string help) {
  descriptions_.emplace_back(with_underscores(std::move(option)), std::move(help));
  return *this;
}

Cli& Cli::command(std::string name, std::string about, AnyFunction<void()> run) {
  commands_.push_back({std::move(name), std::move(about), std::move(run)});
  return *this;
}

std::vector<std::string> Cli::option_names() const {
  std::vector<std::string> names{"help", "config", "print_config"};
  for (const Group& group : groups_) {
    for (const FieldInfo& field : describe_fields(group.fields)) names.push_back(group.prefix + field.name);
  }
  return names;
}

bool Cli::is_switch(const std::string& name) const {
  if (name == "print_config") return true;
  for (const Group& group : groups_) {
    for (const FieldInfo& field : describe_fields(group.fields)) {
      if (group.prefix + field.name == name) return field.type == "true or false";
    }
  }
  return false;
}

std::string Cli::full_name(const std::string& given) const {
  const std::vector<std::string> known = option_names();
  if (std::find(known.begin(), known.end(), given) != known.end()) return given;
  std::vector<std::string> fitting;
  std::vector<std::string> candidates = known;
  for (const std::string& name : known) {
    const std::string bare = name.substr(name.find('.') + 1);
    if (bare == given) fitting.push_back(name);
    candidates.push_back(bare);
  }
  if (fitting.size() == 1) return fitting[0];
  if (fitting.size() > 1) {
    complain("--" + with_dashes(given) + " could be --" + with_dashes(fitting[0]) + " or --" + with_dashes(fitting[1]));
  }
  const std::string nearest = nearest_name(given, candidates);
  complain("unknown option --" + with_dashes(given) +
           (nearest.empty() ? "; --help lists them" : "; did you mean --" + with_dashes(nearest) + "?"));
}

int Cli::set(const std::string& argument, const char* next) {
  const size_t equals = argument.find('=');
  const std::string name =
      full_name(with_underscores(argument.substr(2, equals == std::string::npos ? equals : equals - 2)));
  std::string value;
  int used = 1;
  if (equals != std::string::npos) {
    value = argument.substr(equals + 1);
  } else if (is_switch(name) && (!next || next[0] == '-' ||
                                 find_if(commands_.begin(), commands_.end(),
                                         [&](const auto& c) { return c.name == next; }) != commands_.end())) {
    value = "true";
  } else {
    if (!next) complain("--" + with_dashes(name) + " needs a value");
    value = next;
    used = 2;
  }
  if (name == "config") {
    read_config(value);
  } else if (name != "print_config") {
    assign(name, value);
  }
  return used;
}

void Cli::assign(const std::string& name, const std::string& value) {
  for (const Group& group : groups_) {
    if (name.rfind(group.prefix, 0) != 0) continue;
    try {
      if (set_field(group.fields, name.substr(group.prefix.size()), value)) return;
    } catch (const Error& error) {
      complain("--" + with_dashes(group.prefix) + error.msg());
    }
  }
}

void Cli::read_config(const std::string& path) try {
  std::ifstream file(path);
  if (!file) complain("the file cannot be read");
  const nlohmann::json all = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (!all.is_object()) complain("expected a JSON object");
  for (const auto& [name, value] : all.items()) {
    if (!value.is_object()) {
      assign(full_name(with_underscores(name)), text_of(value));
      continue;
    }
    for (const auto& [field, inner] : value.items())
      assign(full_name(with_underscores(name + "." + field)), text_of(inner));
  }
} catch (const Error& error) {
  complain("--config " + path + ": " + error.msg());
}

std::string Cli::config() const {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const Group& group : groups_) {
    const auto fields = nlohmann::ordered_json::parse(fields_to_json(group.fields));
    if (group.prefix.empty()) {
      all.update(fields);
    } else {
      all[group.prefix.substr(0, group.prefix.size() - 1)] = fields;
    }
  }
  return all.dump(2);
}

const Cli::Command& Cli::find_command(const std::string& name) const {
  std::vector<std::string> names;
  for (const Command& command : commands_) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  std::string list;
  for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
  const std::string nearest = nearest_name(name, names);
  complain("unknown command " + name + "; " +
           (nearest.empty() ? "choose one of: " + list : "did you mean " + nearest + "?"));
}

std::string Cli::help() const {
  std::string text = about_ + "\n\nusage: " + program_ + " COMMAND [--OPTION VALUE]...\n\ncommands:\n";
  for (const Command& command : commands_) {
    text += "  " + command.name + std::string(command.name.size() < 10 ? 10 - command.name.size() : 1, ' ') +
            command.about + "\n";
  }
  text +=
      "\noptions:\n  --config FILE                     options from a JSON file\n"
      "  --print-config                    all options as such a file, and nothing else\n";
  for (const Group& group : groups_) {
    for (const FieldInfo& field : describe_fields(group.fields)) {
      const std::string name = group.prefix + field.name;
      std::string line = "  --" + with_dashes(name);
      line += std::string(line.size() < 36 ? 36 - line.size() : 1, ' ');
      std::string help;
      for (const auto& [option, description] : descriptions_) {
        if (option == name) help = description + "; ";
      }
      text += line + help + field.type + (field.value.empty() ? "" : ", default " + field.value) + "\n";
    }
  }
  return text;
}

int Cli::run(int argc, const char* const* argv) try {
  std::string name;
  bool prints_config = false;
  for (int i = 1; i < argc;) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(help().c_str(), stdout);
      return 0;
    }
    if (argument.rfind("--", 0) == 0 && argument.size() > 2) {
      prints_config |= with_underscores(argument) == "__print_config";
      i += set(argument, i + 1 < argc ? argv[i + 1] : nullptr);
    } else if (argument.size() > 1 && argument[0] == '-') {
      complain("unknown option " + argument + "; options begin with two dashes");
    } else if (name.empty()) {
      name = find_command(argument).name;
      ++i;
    } else {
      complain("unexpected argument " + argument + "; options begin with two dashes");
    }
  }
  if (prints_config) {
    std::puts(config().c_str());
    return 0;
  }
  if (name.empty()) {
    std::fputs(help().c_str(), stderr);
    return usage_error;
  }
  find_command(name).run();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", program_.c_str(), one_line(error).c_str());
  return usage_error;
}

}  // namespace fulmen::trainer
