#pragma once

/// c = a b by Eigen, all n x n and row-major; needs a processor with AVX2.
void eigen_product(const float* a, const float* b, float* c, int n, int threads);
