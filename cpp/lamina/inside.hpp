/// The public header as the library's own sources see it: its names are in `lamina::api` alone, those in `lamina` are
/// the core's.
#pragma once

#define LAMINA_API_ALONE
#include "lamina/lamina.hpp"
