#pragma once
// Modules as plain functions: fulmen::nn::functional.
#include <fulmen/nn/functional/activation.h>
#include <fulmen/nn/functional/attention.h>
#include <fulmen/nn/functional/conv.h>
#include <fulmen/nn/functional/dropout.h>
#include <fulmen/nn/functional/embedding.h>
#include <fulmen/nn/functional/group_norm.h>
#include <fulmen/nn/functional/linear.h>
#include <fulmen/nn/functional/loss.h>
#include <fulmen/nn/functional/normalization.h>
#include <fulmen/nn/functional/padding.h>
#include <fulmen/nn/functional/pooling.h>
#include <fulmen/nn/functional/vision.h>
