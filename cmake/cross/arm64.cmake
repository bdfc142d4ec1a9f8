# SPDX-License-Identifier: MIT
# 64-bit ARM; atomics inline, as a kernel has them.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triple aarch64-linux-gnu)
set(emulator qemu-aarch64-static)
set(CMAKE_C_FLAGS_INIT -mno-outline-atomics)
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
