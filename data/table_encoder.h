#pragma once
#include <fulmen/data/csv.h>
#include <fulmen/data/preprocessor.h>

#include <limits>

namespace fulmen::data {

struct TableEncoderOptions {
  enum class Fill { Median, Mean };
  /// What takes the place of a missing number: the training rows' median or mean.
  Fill fill = Fill::Median;
  /// Adds a feature "<column> is missing" for number columns in which training rows lack values.
  bool missing_feature = true;
  /// Number columns without negative values whose skewness is above this become log(1 + x) first; infinity: none.
  double log_above_skewness = std::numeric_limits<double>::infinity();
  /// Standardised numbers are cut to -clip..clip; infinity: not at all.
  double clip = std::numeric_limits<double>::infinity();
  /// A number column also becomes this many features that fill up from 0 to 1 one after the other, each over a range
  /// that holds as many training rows as the next (piecewise linear encoding, Gorishniy et al. 2022): a network follows
  /// sharp bends far better with them. Columns with few different values get fewer, or none; 0: none anywhere.
  int64_t bins = 0;
  /// Fewer bins than that where each would hold fewer training rows than this on average.
  int64_t min_bin_rows = 1;
  /// Categories in fewer training rows share one feature, "<column>=(other)", which also takes categories that appear
  /// only later.
  int64_t min_category_rows = 1;
  /// Keeps at most this many categories per column, the most frequent ones; the others count as rare.
  int64_t max_categories = 200;
  /// One-hot features are standardised as well.
  bool standardize_categories = false;
};

/// What a table held that the encoder had not seen in training.
struct EncodingReport {
  struct Unknown {
    std::string column, category;
    int64_t rows = 0;
    std::string first_place;  ///< "houses.csv:17, column 'Street'"
  };
  std::vector<Unknown> unknown;
  int64_t filled_numbers = 0;
  /// One line for the user; empty if there is nothing to say.
  std::string summary() const;
};

/// Turns the columns of a table into features for a network: numbers are filled, optionally logarithmised, standardised
/// and clipped; texts become one feature per category (a missing text is a category of its own). Everything is learnt
/// from the training rows. A category that was not seen in training gives zeros, or "(other)" where that exists.
class TableEncoder final : public Preprocessor {
 public:
  explicit TableEncoder(TableEncoderOptions options = {});

  /// Learns from the training rows and returns itself. Throws if there are no rows, or no columns.
  TableEncoder& fit(const CsvTable& table);
  /// float32 [rows, features()]. Columns are found by name: their order does not matter, further ones are ignored.
  /// Throws, with file, line and column, for a missing column and for text where training had numbers.
  Tensor operator()(const CsvTable& table, EncodingReport* report = nullptr) const;

  bool fitted() const override;
  int64_t features() const;
  /// "Lot_Area", "Lot_Area bin 1", "Lot_Area is missing", "Street=Pave", ... in the order of the tensor's columns.
  std::vector<std::string> feature_names() const;
  /// The table's columns that are used.
  std::vector<std::string> column_names() const;
  /// How to read a file for this encoder: the same columns are text.
  CsvOptions csv_options(CsvOptions base = {}) const;

  std::string kind() const override { return "table_encoder"; }
  PreprocessorState state() const override;
  void load_state(const PreprocessorState& state) override;

 private:
  struct Learnt;
  const Learnt& learnt() const;
  std::shared_ptr<Learnt> learnt_;
};

}  // namespace fulmen::data
