#pragma once
namespace afterimage {

// Cores this process may run on, hyper-threads counted once.
int physical_cores();

}  // namespace afterimage
