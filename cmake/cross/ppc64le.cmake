# SPDX-License-Identifier: MIT
# 64-bit Power, little-endian.
set(CMAKE_SYSTEM_PROCESSOR ppc64le)
set(triple powerpc64le-linux-gnu)
set(emulator qemu-ppc64le-static)
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
