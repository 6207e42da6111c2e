#pragma once
#include <fulmen/tensor/tensor.h>

#include <string>

namespace fulmen {

/// Writes numpy's .npy format (version 1.0; https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html),
/// whole or not at all (AtomicFile). bfloat16, which numpy does not know, is an error.
void save_npy(const std::string& path, const Tensor& tensor);
/// The file's bytes.
std::string npy_bytes(const Tensor& tensor);

/// What a file begins with, by hand: a type as numpy names it ('<f4', with the quotes), and the header for types and a
/// shape ("3, 4") that are Python already. The header is padded as if its text were `spare` characters longer.
std::string npy_type(ScalarType dtype);
std::string npy_header(const std::string& type, const std::string& shape, size_t spare = 0);

/// Reads versions 1.0 to 3.0, either byte order, C and Fortran order, into a new row-major tensor on the CPU. The file
/// is not trusted: whatever is wrong with it is an Error that names the file and what is wrong.
Tensor load_npy(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
Tensor npy_from_bytes(const void* data, size_t size, const std::string& name = "npy");

}  // namespace fulmen
