// Memory that devices share with each other or with the app.

#pragma once

#include "program.h"

namespace nnc {

struct SharedMemory {
    std::shared_ptr<const Nnapi> nnapi;
    Handle<Memory> memory;
    // 0 where the device alone knows.
    size_t length = 0;
};

}  // namespace nnc

struct nnc_memory {
    std::shared_ptr<const nnc::SharedMemory> shared;
};
