"""The export of a finished run as a command, whatever the paper."""

import functools

from robust_tf.results.output_place import require_folder


def export(options, open_run, served, *, transfer=None, lacking):
    """Exports a run as the flags say, and prints what the verification found.

    Args:
        options: `Options` of a table with the flags of `shared_flags.EXPORT`.
        open_run: function (workdir, data_dir) -> `FinishedRun`.
        served: function (run, network, test images, flags of the command) -> `Served`.
        transfer: function (function of a file, run, network, test images) -> dict, what images made
            on the network do to an ONNX or LiteRT file; None: they are not made.
        lacking: str, what such a file lacks beside the guard.
    """
    require_folder("export_dir", options.export_dir)
    from robust_tf.export import export_portable, export_run
    from robust_tf.export.portable import require_packages

    portable = options.format != "saved_model"
    if portable:
        require_packages(options.format)
    run = open_run(options.workdir, options.data_dir)
    network, test = run.network(), run.test_images(options.limit_test)
    parts = {"run": run, "network": network, "test": test}
    if portable:
        attack = transfer and functools.partial(transfer, **parts)
        made = options.fill(export_portable.export_portable, **parts, attack=attack)
        print(export_portable.summary(*made, lacking))
    else:
        made = export_run.export_run(
            run, network, options.fill(served, **parts), options.export_dir
        )
        print(export_run.summary(*made))
