#pragma once
#include <emulator/language.h>
#include <emulator/peers_api.h>
#include <emulator/runtime_api.h>
