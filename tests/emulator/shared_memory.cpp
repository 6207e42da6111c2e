#include "shared_memory.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <new>
#include <unordered_map>

#include "block.h"

namespace emulator {
namespace {

/// PTX addresses of shared memory: dynamic shared memory first, `__shared__` variables from here on.
constexpr uint32_t static_window = 0x40000;

std::vector<char> program_file() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Calls visit(symbol, name) for every symbol of the program.
template <class Visit>
void for_each_symbol(const std::vector<char>& image, Visit visit) {
  if (image.size() < sizeof(Elf64_Ehdr)) return;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image.data() + header->e_shoff);
  for (int s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const char* names = image.data() + sections[sections[s].sh_link].sh_offset;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(image.data() + sections[s].sh_offset);
    for (size_t i = 0; i < sections[s].sh_size / sizeof(Elf64_Sym); ++i) visit(symbols[i], names + symbols[i].st_name);
  }
}

bool is_shared_variable(const Elf64_Sym& symbol, const char* name) {
  return ELF64_ST_TYPE(symbol.st_info) == STT_TLS && symbol.st_shndx != SHN_UNDEF &&
         std::strncmp(name, "_ZZ", 3) == 0 && std::strncmp(name, "_ZZN8emulator", 13) != 0 &&
         std::strstr(name, "__asan") == nullptr && std::strstr(name, "__sanitizer") == nullptr;
}

int add_load_address(dl_phdr_info* info, size_t, void* result) {
  *static_cast<uintptr_t*>(result) = info->dlpi_addr;
  return 1;  // the first one is the program
}

std::vector<SharedVariable> read_symbols() {
  std::vector<SharedVariable> found;
  std::unordered_map<std::string, uintptr_t> functions;
  std::vector<char> image = program_file();
  uintptr_t load_address = 0;
  dl_iterate_phdr(add_load_address, &load_address);
  for_each_symbol(image, [&](const Elf64_Sym& symbol, const char* name) {
    if (is_shared_variable(symbol, name)) found.push_back({symbol.st_value, symbol.st_size, name});
    if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) functions[name] = load_address + symbol.st_value;
  });
  for (SharedVariable& variable : found) {  // _ZZ<function>E<name> belongs to _Z<function>
    for (size_t end = variable.name.rfind('E'); end != std::string::npos && end > 3 && variable.owner == 0;
         end = variable.name.rfind('E', end - 1)) {
      auto owner = functions.find("_Z" + variable.name.substr(3, end - 3));
      if (owner != functions.end()) variable.owner = owner->second;
    }
  }
  std::sort(found.begin(), found.end(),
            [](const SharedVariable& a, const SharedVariable& b) { return a.offset < b.offset; });
  return found;
}

thread_local void* own_storage = nullptr;

int find_program(dl_phdr_info* info, size_t, void* result) {
  *static_cast<void**>(result) = info->dlpi_tls_data;
  return 1;  // the first one is the program
}

}  // namespace

const std::vector<SharedVariable>& shared_variables() {
  static const std::vector<SharedVariable> variables = read_symbols();
  return variables;
}

const std::vector<std::pair<size_t, size_t>>& shared_ranges(const void* kernel) {
  static std::unordered_map<const void*, std::vector<std::pair<size_t, size_t>>> known;
  auto [entry, is_new] = known.try_emplace(kernel);
  if (is_new) {
    for (const SharedVariable& variable : shared_variables()) {
      if (variable.owner == 0 || variable.owner == reinterpret_cast<uintptr_t>(kernel)) {
        entry->second.emplace_back(variable.offset, variable.size);
      }
    }
  }
  return entry->second;
}

unsigned char* thread_local_storage() {
  if (own_storage == nullptr) dl_iterate_phdr(find_program, &own_storage);
  return static_cast<unsigned char*>(own_storage);
}

const SharedVariable* find_shared_variable(const void* p) {
  const unsigned char* storage = thread_local_storage();
  if (storage == nullptr || p < storage) return nullptr;
  auto offset = static_cast<size_t>(static_cast<const unsigned char*>(p) - storage);
  const auto& variables = shared_variables();
  auto after = std::upper_bound(variables.begin(), variables.end(), offset,
                                [](size_t o, const SharedVariable& v) { return o < v.offset; });
  if (after == variables.begin()) return nullptr;
  const SharedVariable& candidate = *(after - 1);
  return offset < candidate.offset + candidate.size ? &candidate : nullptr;
}

unsigned char* allocate_dynamic_shared() {
  // Unmapped memory on both sides.
  size_t room = (most_shared_bytes + 4095) / 4096 * 4096 + 2 * 4096;
  void* memory = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* start = static_cast<unsigned char*>(memory) + 4096;
  mprotect(start, room - 2 * 4096, PROT_READ | PROT_WRITE);
  return start;
}

unsigned char* dynamic_shared() { return running->shared; }

bool in_shared(const void* p, size_t bytes) {
  const auto* address = static_cast<const unsigned char*>(p);
  const Block& block = *running;
  if (address >= block.shared && address < block.shared + most_shared_bytes) {
    return address + bytes <= block.shared + block.shared_bytes;
  }
  const SharedVariable* variable = find_shared_variable(p);
  return variable != nullptr && address + bytes <= thread_local_storage() + variable->offset + variable->size;
}

uint32_t shared_address(const void* p) {
  const auto* address = static_cast<const unsigned char*>(p);
  const Block& block = *running;
  if (address >= block.shared && address < block.shared + most_shared_bytes) {
    return static_cast<uint32_t>(address - block.shared);
  }
  if (find_shared_variable(p) == nullptr) fail("%p is not an address in shared memory", p);
  return static_window + static_cast<uint32_t>(address - thread_local_storage());
}

void poison_shared(Block& block) {
  std::memset(block.shared, 0xff, block.shared_bytes);
  unsigned char* storage = thread_local_storage();
  for (auto [offset, size] : *block.shared_ranges) std::memset(storage + offset, 0xff, size);
}

}  // namespace emulator
