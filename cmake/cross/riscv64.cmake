# SPDX-License-Identifier: MIT
# 64-bit RISC-V.
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(triple riscv64-linux-gnu)
set(emulator qemu-riscv64-static)
set(CMAKE_C_STANDARD_LIBRARIES_INIT -latomic) # for bytes, which tests have; the core has none
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
