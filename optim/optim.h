#pragma once
// All of fulmen::optim.
#include <fulmen/optim/adam.h>
#include <fulmen/optim/grad_scaler.h>
#include <fulmen/optim/lr_scheduler.h>
#include <fulmen/optim/optimizer.h>
#include <fulmen/optim/sgd.h>
