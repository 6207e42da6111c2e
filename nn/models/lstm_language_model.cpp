#include <fulmen/autograd/grad_mode.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/nn/functional/linear.h>
#include <fulmen/nn/init.h>
#include <fulmen/nn/models/lstm_language_model.h>

#include <algorithm>
#include <cmath>

namespace fulmen::nn {

LSTMMemory::LSTMMemory(const LSTMLanguageModelOptions& o, std::vector<int64_t> padding, int64_t rows,
                       const Tensor& like)
    : padding_(std::move(padding)) {
  FULMEN_CHECK(padding_.empty() || padding_.size() == static_cast<size_t>(rows), "LSTMMemory: ", padding_.size(),
               " paddings for ", rows, " rows");
  h_ = zeros({o.num_layers(), rows, o.width()}, like.options().requires_grad(false));
  c_ = zeros_like(h_);
}

void LSTMMemory::select_rows(const Tensor& rows) {
  const Tensor here = rows.to(kCPU).contiguous(), there = rows.to(h_.device());
  std::vector<int64_t> padding;
  for (int64_t i = 0; !padding_.empty() && i < here.numel(); ++i) {
    padding.push_back(padding_.at(static_cast<size_t>(here.data_ptr<int64_t>()[i])));
  }
  padding_ = std::move(padding);
  h_ = h_.index_select(1, there);
  c_ = c_.index_select(1, there);
}

int64_t LSTMMemory::stop_before(int64_t end) const {
  for (int64_t padding : padding_) {
    if (padding > length_) end = std::min(end, padding);
  }
  return end;
}

void LSTMMemory::advance(int64_t n, Tensor h, Tensor c) {
  length_ += n;
  h_ = std::move(h);
  c_ = std::move(c);
  for (size_t row = 0; row < padding_.size(); ++row) {
    if (padding_[row] < length_) continue;
    h_.select(1, static_cast<int64_t>(row)).zero_();
    c_.select(1, static_cast<int64_t>(row)).zero_();
  }
}

LSTMLanguageModelImpl::LSTMLanguageModelImpl(const LSTMLanguageModelOptions& options_) : options(options_) {
  LSTMLanguageModelImpl::reset();
}

void LSTMLanguageModelImpl::reset() {
  embedding = register_module("embedding", Embedding(options.vocab_size(), options.width()));
  dropout = register_module("dropout", Dropout(options.dropout()));
  LSTMOptions layers(options.width(), options.width());
  layers.num_layers(options.num_layers()).batch_first(true);
  lstm = register_module("lstm", LSTM(layers.dropout(options.num_layers() > 1 ? options.dropout() : 0)));
  bias = register_parameter("bias", zeros({options.vocab_size()}));
  reset_parameters();
}

void LSTMLanguageModelImpl::reset_parameters() {
  NoGradGuard no_grad;
  init::normal_(embedding->weight, 0, 1 / std::sqrt(static_cast<double>(options.width())));
  lstm->reset_parameters();
  bias.zero_();
}

Tensor LSTMLanguageModelImpl::forward(const Tensor& tokens) {
  FULMEN_CHECK(tokens.dim() == 2, "LSTMLanguageModel: tokens must be int64[rows, n]; got ", tokens);
  const Tensor y = std::get<0>(lstm(dropout(embedding(tokens))));
  return functional::linear(dropout(y), embedding->weight, bias);
}

std::unique_ptr<Memory> LSTMLanguageModelImpl::make_memory(const std::vector<int64_t>& padding, int64_t rows,
                                                           int64_t) const {
  return std::make_unique<LSTMMemory>(options, padding, rows, embedding->weight);
}

Tensor LSTMLanguageModelImpl::read(const Tensor& tokens, Memory& memory) {
  auto& read = dynamic_cast<LSTMMemory&>(memory);
  const Tensor x = dropout(embedding(tokens.to(embedding->weight.device())));
  const int64_t begin = read.length(), end = begin + tokens.size(1);
  Tensor y;
  while (read.length() < end) {
    const int64_t at = read.length(), n = read.stop_before(end) - at;
    auto [outputs, states] = lstm(x.narrow(1, at - begin, n), std::make_tuple(read.h_, read.c_));
    y = outputs.select(1, n - 1);
    read.advance(n, std::get<0>(states), std::get<1>(states));
  }
  return functional::linear(dropout(y), embedding->weight, bias);
}

}  // namespace fulmen::nn
