package io.sparkgguf.cli;

import io.sparkgguf.job.QuantizeJob;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.WorkFolder;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code spark-gguf quantize}. */
@Command(
        name = "quantize",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = "spark-gguf quantize --model PATH --output FILE --type TYPE [OPTIONS]",
        description = {
            "Quantizes a checkpoint into one validated GGUF file.",
            "",
            "Reads the headers and plans the whole file first; then executors read, encode and write slices of rows, the"
                    + " slices are put together, and the file is read back and checked before it gets its name. Leaves the"
                    + " file and a report in JSON. The same bytes come out of any number of cores and executors.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf quantize --model ./Qwen3-8B --output qwen3.gguf --type Q4_K_M",
            "  spark-gguf quantize --model ./Qwen3-8B --output qwen3-Q3.gguf --type Q3_K_M \\",
            "      --imatrix qwen3.imatrix.gguf --tensor-type 'attn_v=Q6_K'",
            "  spark-gguf quantize --model ./Qwen3-8B --output qwen3-Q3.gguf --type Q3_K_M \\",
            "      --calibration text.txt",
            "  spark-gguf quantize --model ./Qwen3-8B --output qwen3-4GiB.gguf --target-size 4GiB \\",
            "      --imatrix qwen3.imatrix.gguf --target-text text.txt",
            "  spark-gguf quantize --model big-BF16-00001-of-00030.gguf --output big.gguf \\",
            "      --type IQ4_XS --master spark://host:7077 --executor-memory 2g"
        })
final class QuantizeCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            description =
                    "The GGUF file to write. It appears when it is whole and validated; an older one is replaced.")
    private String output;

    @Mixin
    private QuantizeOptions options;

    @Option(names = "--report", paramLabel = "FILE", description = "Where the report goes. Default: OUTPUT.report.json")
    private String report;

    @Option(
            names = "--work-dir",
            paramLabel = "DIR",
            description =
                    "Where slices, and what calibration makes, are kept while the job runs; executors must reach it. Each"
                            + " run has a folder of its own there, which stays when it ends early. Default: OUTPUT.work")
    private String work;

    @ArgGroup
    private Earlier earlier = new Earlier();

    private static final class Earlier {
        @Option(
                names = "--resume",
                description =
                        "Go on from what a run of the same input and options left, and refuse to begin anew, saying"
                                + " what differs. Without it, a run goes on if there is something.")
        private boolean resume;

        @Option(names = "--fresh", description = "Begin anew: remove what an earlier run left.")
        private boolean fresh;

        private WorkFolder.Start start() {
            return resume ? WorkFolder.Start.RESUME : fresh ? WorkFolder.Start.FRESH : WorkFolder.Start.ANY;
        }
    }

    @Option(names = "--dry-run", description = "Only plan, as 'spark-gguf plan' does; needs no --output.")
    private boolean dryRun;

    @Option(
            names = {"-q", "--quiet"},
            description = "No progress, no summary; warnings and errors only.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        options.requireGiven(spec.commandLine());
        if (output == null && !dryRun) {
            throw new picocli.CommandLine.ParameterException(
                    spec.commandLine(), "Missing required option: '--output=FILE' (or --dry-run)");
        }
        QuantizeSettings settings = options.settings(spec.commandLine().getParseResult(), output, report, work);
        try (Session session = new Session("spark-gguf quantize " + settings.model());
                ConsoleProgress progress = ConsoleProgress.standard(quiet || dryRun)) {
            QuantizeJob job = new QuantizeJob(session, settings, progress);
            if (dryRun) {
                PlanPrinter.print(job.prepare(), null, false, spec.commandLine().getOut());
                return 0;
            }
            Summary.print(
                    job.run(earlier.start()),
                    settings,
                    quiet,
                    spec.commandLine().getOut(),
                    spec.commandLine().getErr());
            return 0;
        }
    }
}
