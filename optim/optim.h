#pragma once
// All of fulmen::optim.
#include <fulmen/optim/adagrad.h>
#include <fulmen/optim/adam.h>
#include <fulmen/optim/grad_scaler.h>
#include <fulmen/optim/lbfgs.h>
#include <fulmen/optim/lr_scheduler.h>
#include <fulmen/optim/optimizer.h>
#include <fulmen/optim/rmsprop.h>
#include <fulmen/optim/sgd.h>
