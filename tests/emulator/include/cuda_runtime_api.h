#pragma once
#include <emulator/language.h>
#include <emulator/runtime_api.h>
