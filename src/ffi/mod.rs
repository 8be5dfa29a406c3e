// SPDX-License-Identifier: GPL-2.0
//! The generated C bindings, for [`super::kapi`] alone. C shims of inline functions are in `helpers.c` and `helpers_net.c`.

/// What bindgen made of `bindings.h`.
#[allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    reason = "generated code: which of these it gives cause for depends on the kernel's configuration"
)]
pub(crate) mod bindings {
    use kernel::ffi;
    use pin_init::MaybeZeroable;
    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;
    include!(concat!(
        env!("RTCPFSM_BINDINGS_DIR"),
        "/bindings_generated.rs"
    ));
}
