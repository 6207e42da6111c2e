// Embeds every line of a text with a sentence encoder and prints one line of JSON; the PyTorch program beside it is in
// example_peers.py, which also compares the numbers.
//   embeddings <folder with config.json, model.safetensors, vocab.txt> <text file> <result.npy>
#include <fulmen/fulmen.h>
#include <fulmen/tensor/npy.h>

#include <chrono>
#include <cstdio>
#include <fstream>

using namespace fulmen;

int main(int argc, char** argv) {
  try {
    FULMEN_CHECK(argc == 4, "embeddings: usage: embeddings <encoder's folder> <text file> <result.npy>");
    const std::string folder = argv[1];
    nn::Bert encoder = nn::load_bert(folder);
    const auto words = data::WordPiece::load(folder + "/vocab.txt", {.max_length = 256});
    std::ifstream file(argv[2]);
    FULMEN_CHECK(file, "embeddings: cannot open ", argv[2]);
    std::vector<std::string> texts;
    for (std::string line; std::getline(file, line);) texts.push_back(line);
    FULMEN_CHECK(!texts.empty(), "embeddings: no text in ", argv[2]);

    const auto began = std::chrono::steady_clock::now();
    const NoGradGuard no_grad;
    std::vector<Tensor> found;
    constexpr size_t batch = 32;
    for (size_t first = 0; first < texts.size(); first += batch) {
      std::vector<std::vector<int64_t>> ids;
      for (size_t i = first; i < texts.size() && i < first + batch; ++i) ids.push_back(words.encode(texts[i]));
      const auto padded = data::pad_tokens(ids, 0);
      found.push_back(encoder->sentence_embeddings(padded.ids, padded.mask));
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    save_npy(argv[3], cat(found, 0));
    std::printf("{\"texts_per_second\": %.1f}\n", static_cast<double>(texts.size()) / seconds.count());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
