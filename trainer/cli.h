#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/trainer/fields.h>

#include <string>
#include <vector>

namespace fulmen::trainer {

/// The command line of a program: subcommands, and an option for every field of the structs it is given.
///
///     return Cli("house_prices", "Learns to price houses from a CSV file of sales.")
///         .options(arguments, hparams, trainer_options)
///         .command("fit", "train, and save the best model", [&] { ... })
///         .run(argc, argv);
///
/// `house_prices fit --data sales.csv --model.lr 1e-3 --trainer.max_epochs=50`. Dashes and underscores in names are the
/// same; a truth value may be left out (`--verbose`). `--config run.json` sets what a file names
/// (`{"data": "sales.csv", "model": {"lr": 1e-3}}`), in its place among the other options, of which the last one wins;
/// `--print-config` writes such a file to standard output, with everything as it is set, and does nothing else.
/// Whatever is wrong (unknown options, with the nearest name; values; errors thrown by the command) is one line on
/// standard error and exit status 2.
class Cli {
 public:
  Cli(std::string program, std::string about);
  /// Options for all fields of a struct, as `--<prefix>.<field>`; the prefix may be left out where only one struct has
  /// a field of that name. The struct must outlive run().
  Cli& options(FieldsRef fields, const std::string& prefix = "");
  /// The program's own options, the model's as `--model.<field>`, and the trainer's as `--trainer.<field>`.
  Cli& options(FieldsRef own, FieldsRef model, FieldsRef trainer) {
    return options(own).options(model, "model").options(trainer, "trainer");
  }
  /// A line of help for an option ("data", "model.lr").
  Cli& describe(std::string option, std::string help);
  Cli& command(std::string name, std::string about, AnyFunction<void()> run);
  /// Reads the arguments, runs the command, and returns the program's exit status.
  int run(int argc, const char* const* argv);

 private:
  struct Group {
    std::string prefix;
    FieldsRef fields;
  };
  struct Command {
    std::string name, about;
    AnyFunction<void()> run;
  };
  /// Sets an option; throws for an unknown one. Returns how many of the two arguments it used.
  int set(const std::string& argument, const char* next);
  void assign(const std::string& name, const std::string& value);
  void read_config(const std::string& path);
  std::string config() const;
  const Command& find_command(const std::string& name) const;
  std::string help() const;
  std::vector<std::string> option_names() const;
  /// The full name of an option ("model.lr" for "lr"); throws if there is none or several.
  std::string full_name(const std::string& given) const;
  bool is_switch(const std::string& name) const;

  std::string program_, about_;
  std::vector<Group> groups_;
  std::vector<Command> commands_;
  std::vector<std::pair<std::string, std::string>> descriptions_;
};

/// The text of an exception as one line: "E017: houses.csv:3, column 'price': ...; fix: ...".
std::string one_line(const std::exception& error);

}  // namespace fulmen::trainer
