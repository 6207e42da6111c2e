#include "banks.h"

#include <emulator/banks.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "block.h"

namespace emulator {

bool banks_watched = false;

namespace {

constexpr int lanes = 32, banks = 32;

/// An access of one thread, in its order.
struct Event {
  uint32_t code, offset, barriers;
  uint8_t bytes;
  bool write;
};
struct BlockEvents {
  std::array<std::vector<Event>, most_threads> of_thread;
  std::array<uint32_t, most_threads> barriers{};
};
std::vector<BlockEvents> blocks;

/// Where an instruction stands in the source.
struct Place {
  std::string text;       // "inner.h:12 < kernel.cu:34"
  std::string in_kernel;  // the outermost of these
  bool in_gpu_h = false;  // gpu::load_vec and store_vec are there
};
struct Places {
  std::unordered_map<uint32_t, Place> of_code;
  std::set<std::string> of_vectors;  // lines of kernels that move vectors

  const Place& operator[](uint32_t code) const { return of_code.at(code); }
  /// Whether two instructions can be parts of one wide load or store.
  bool in_one_vector(uint32_t a, uint32_t b) const {
    const Place &first = of_code.at(a), &second = of_code.at(b);
    return a != b && first.in_kernel == second.in_kernel && of_vectors.count(first.in_kernel) > 0;
  }
};

/// From what addr2line says of one address: pairs of lines, a function and its place, innermost first.
Place place_of(const std::vector<std::string>& lines) {
  Place place;
  size_t shown = 0;
  for (size_t i = 1; i < lines.size(); i += 2) {
    place.in_kernel = lines[i].substr(0, lines[i].find(' '));
    const bool unknown = place.in_kernel.find(":?") != std::string::npos;  // of parts into which a vector was cut
    if (i == 1 && (place.in_kernel.find("gpu.h:") == 0 || unknown)) {
      place.in_gpu_h = true;
    } else if (++shown <= 3) {
      place.text += (shown > 1 ? " < " : "") + place.in_kernel;
    }
  }
  return place;
}

Places places_of(const std::vector<uint32_t>& codes) {
  Places places;
  char path[512];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0 || codes.empty()) return places;
  path[length] = 0;
  std::string command = std::string("addr2line -a -f -i -s -C -e '") + path + "'";
  for (uint32_t code : codes) {
    char text[24];
    std::snprintf(text, sizeof text, " %#x", code - 1);  // the instruction before the return address
    command += text;
  }
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return places;
  char line[4096];
  size_t at = 0;
  std::vector<std::string> said;
  auto finish = [&] {
    if (at > 0) {
      const Place& place = places.of_code[codes[at - 1]] = place_of(said);
      if (place.in_gpu_h) places.of_vectors.insert(place.in_kernel);
    }
    said.clear();
  };
  while (std::fgets(line, sizeof line, output)) {
    line[std::strcspn(line, "\n")] = 0;
    if (std::strncmp(line, "0x", 2) == 0 && at < codes.size()) {
      finish();
      ++at;
    } else {
      said.push_back(line);
    }
  }
  finish();
  pclose(output);
  return places;
}

/// Puts the parts of wide accesses together.
std::vector<Event> whole_accesses(const std::vector<Event>& events, const Places& places) {
  std::vector<Event> whole;
  for (const Event& e : events) {
    if (!whole.empty()) {
      Event& last = whole.back();
      const bool one = e.write == last.write && places.in_one_vector(last.code, e.code);
      const uint32_t from = std::min(e.offset, last.offset), bytes = e.bytes + last.bytes;
      const bool adjacent = e.offset == last.offset + last.bytes || last.offset == e.offset + e.bytes;
      if (one && adjacent && from / 16 == (from + bytes - 1) / 16) {
        last.offset = from;
        last.bytes = static_cast<uint8_t>(bytes);
        continue;
      }
    }
    whole.push_back(e);
  }
  return whole;
}

/// One instruction of a warp.
struct WarpAccess {
  uint32_t mask = 0;
  int bytes = 0;
  std::array<uint32_t, lanes> offset{};

  /// Parts that go together, and cycles beyond one for each.
  std::pair<uint64_t, uint64_t> cost() const {
    const int together = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8;
    std::pair<uint64_t, uint64_t> sum{0, 0};
    for (int first = 0; first < lanes; first += together) {
      std::array<std::vector<uint32_t>, banks> words;
      for (int lane = first; lane < first + together; ++lane) {
        if (!(mask >> lane & 1)) continue;
        const uint32_t from = offset[static_cast<size_t>(lane)] / 4;
        const uint32_t to = (offset[static_cast<size_t>(lane)] + static_cast<uint32_t>(bytes) - 1) / 4;
        for (uint32_t word = from; word <= to; ++word) {
          auto& bank = words[word % banks];
          if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
        }
      }
      size_t most = 0;
      for (const auto& bank : words) most = std::max(most, bank.size());
      if (most == 0) continue;
      ++sum.first;
      sum.second += most - 1;
    }
    return sum;
  }
};

using UseKey = std::tuple<std::string, bool, int>;

void add_block(const BlockEvents& block, const Places& places, std::map<UseKey, BankUse>& uses) {
  for (size_t warp = 0; warp < most_threads / lanes; ++warp) {
    // (code, barriers, how often before since the barrier)
    std::map<std::tuple<uint32_t, uint32_t, uint32_t>, WarpAccess> accesses;
    std::unordered_map<uint32_t, bool> writes;
    for (size_t lane = 0; lane < lanes; ++lane) {
      std::map<std::pair<uint32_t, uint32_t>, uint32_t> seen;
      for (const Event& e : whole_accesses(block.of_thread[warp * lanes + lane], places)) {
        WarpAccess& access = accesses[{e.code, e.barriers, seen[{e.code, e.barriers}]++}];
        access.mask |= 1u << lane;
        access.bytes = std::max(access.bytes, static_cast<int>(e.bytes));
        access.offset[lane] = e.offset;
        writes[e.code] = e.write;
      }
    }
    for (const auto& [key, access] : accesses) {
      const uint32_t code = std::get<0>(key);
      const std::string& place = places[code].text;
      BankUse& use = uses[{place, writes[code], access.bytes}];
      use.place = place;
      use.write = writes[code];
      use.bytes = access.bytes;
      const auto [parts, extra] = access.cost();
      use.accesses += parts;
      use.conflicts += extra;
    }
  }
}

}  // namespace

void bank_block() { blocks.emplace_back(); }
void bank_barrier(uint32_t thread) {
  if (!blocks.empty()) ++blocks.back().barriers[thread];
}
void bank_access(uint32_t thread, uint32_t code, size_t offset, size_t bytes, bool write) {
  if (blocks.empty()) return;
  BlockEvents& block = blocks.back();
  for (size_t done = 0; done < bytes; done += 16) {  // a copy of a struct may be longer than what a lane can move
    block.of_thread[thread].push_back({code, static_cast<uint32_t>(offset + done), block.barriers[thread],
                                       static_cast<uint8_t>(std::min<size_t>(16, bytes - done)), write});
  }
}

void watch_banks(bool on) {
  banks_watched = on;
  if (on) blocks.clear();
}

std::vector<BankUse> bank_uses() {
  std::vector<uint32_t> codes;
  for (const BlockEvents& block : blocks) {
    for (const auto& events : block.of_thread) {
      for (const Event& e : events) codes.push_back(e.code);
    }
    std::sort(codes.begin(), codes.end());
    codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  }
  const Places places = places_of(codes);
  std::map<UseKey, BankUse> uses;
  for (const BlockEvents& block : blocks) add_block(block, places, uses);
  std::vector<BankUse> found;
  for (auto& [key, use] : uses) found.push_back(use);
  return found;
}

std::string text_of(const BankUse& use) {
  return use.place + ": " + (use.write ? "store" : "load") + " of " + std::to_string(use.bytes) + " bytes, " +
         std::to_string(use.conflicts) + " conflicts in " + std::to_string(use.accesses) + " accesses";
}

uint64_t bank_conflicts(std::string* lines) {
  uint64_t sum = 0;
  for (const BankUse& use : bank_uses()) {
    sum += use.conflicts;
    if (lines == nullptr || use.conflicts == 0) continue;
    *lines += text_of(use) + "\n";
  }
  return sum;
}

}  // namespace emulator
