"""The kernels that workers call, bucket by bucket: Arrow tables in, Arrow tables out."""
