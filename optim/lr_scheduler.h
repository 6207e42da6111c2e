#pragma once
// All learning-rate schedulers.
#include <fulmen/optim/schedulers/composed.h>
#include <fulmen/optim/schedulers/cosine.h>
#include <fulmen/optim/schedulers/cycle.h>
#include <fulmen/optim/schedulers/decay.h>
#include <fulmen/optim/schedulers/lr_scheduler.h>
#include <fulmen/optim/schedulers/plateau.h>
#include <fulmen/optim/schedulers/swa.h>
