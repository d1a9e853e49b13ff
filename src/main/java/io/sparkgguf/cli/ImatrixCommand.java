package io.sparkgguf.cli;

import io.sparkgguf.job.ImatrixJob;
import io.sparkgguf.job.ImatrixSettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code spark-gguf imatrix}. */
@Command(
        name = "imatrix",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = {
            "spark-gguf imatrix --model PATH --calibration FILE --output FILE",
            "                          [OPTIONS]",
            "       spark-gguf imatrix --merge FILE --merge FILE --output FILE"
        },
        description = {
            "Collects an importance matrix: how strongly text drives each input column of each weight.",
            "",
            "Takes the text as llama-imatrix does, in order, cut into sequences, and writes what llama-imatrix writes;"
                    + " quantize and llama-quantize read it.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf imatrix --model ./Qwen3-8B --calibration text.txt \\",
            "      --output qwen3.imatrix.gguf",
            "  spark-gguf imatrix --merge a.imatrix.gguf --merge b.imatrix.gguf \\",
            "      --output both.imatrix.gguf"
        })
final class ImatrixCommand implements Callable<Integer> {
    /** File formats. */
    enum Format {
        GGUF,
        DAT
    }

    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "PATH",
            description = "Hugging Face folder, or GGUF file.")
    private String model;

    @Option(
            names = {"-f", "--calibration", "--file"},
            paramLabel = "FILE",
            description =
                    "Text to run the model on: plain, JSON lines or token ids; a file, folder or glob; repeatable.")
    private List<String> calibration = new ArrayList<>();

    @Option(
            names = {"-o", "--output", "--output-file"},
            required = true,
            paramLabel = "FILE",
            description = "The importance matrix to write.")
    private String output;

    @Option(
            names = "--output-format",
            paramLabel = "FORMAT",
            description =
                    "gguf, or dat, the format from before it. Default: dat for a name that ends in .dat, else gguf.")
    private Format format;

    @Option(
            names = {"-c", "--context", "--ctx-size"},
            paramLabel = "N",
            defaultValue = "512",
            description = "Tokens of a sequence. Default: ${DEFAULT-VALUE}.")
    private int context;

    @Option(names = "--chunks", paramLabel = "N", description = "Use the first N sequences only. Default: all.")
    private Integer chunks;

    @Option(names = "--process-output", description = "Collect for output.weight, too.")
    private boolean processOutput;

    @Option(
            names = {"--merge", "--in-file"},
            paramLabel = "FILE",
            description = "Add this importance matrix of the same model; repeatable. Without --model, files are merged"
                    + " only.")
    private List<String> merge = new ArrayList<>();

    @Option(
            names = "--tokenizer",
            paramLabel = "FOLDER",
            description = "Hugging Face folder whose tokenizer.json to use, where the model is a GGUF file.")
    private String tokenizer;

    @Option(
            names = "--work-dir",
            paramLabel = "DIR",
            description = "Where sums are kept while the job runs; executors must reach it. Default: OUTPUT.work")
    private String work;

    @Option(
            names = {"-q", "--quiet"},
            description = "No progress, no summary.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        ImatrixJob.Result result;
        try (Session session = new Session("spark-gguf imatrix " + output);
                ConsoleProgress progress = ConsoleProgress.standard(quiet)) {
            result = new ImatrixJob(session, settings(), progress).run();
        }
        if (!quiet) {
            print(result, spec.commandLine().getOut());
        }
        return 0;
    }

    private ImatrixSettings settings() {
        try {
            if (chunks != null && chunks < 1) {
                throw new InvalidInputException(
                        "Cannot collect importance of " + chunks + " chunks: at least 1 is needed");
            }
            return new ImatrixSettings(
                    model,
                    calibration,
                    tokenizer,
                    context,
                    chunks == null ? 0 : chunks,
                    processOutput,
                    merge,
                    output,
                    format == null ? ImatrixSettings.isLegacyName(output) : format == Format.DAT,
                    work);
        } catch (InvalidInputException e) { // nothing was read for it but the command line
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private static void print(ImatrixJob.Result result, PrintWriter out) {
        out.printf(Locale.ROOT, "%s  %d entries of %,d chunks%n", result.output(), result.entries(), result.chunks());
        if (result.tokens() > 0) {
            out.printf(
                    Locale.ROOT,
                    "  %,d tokens in %s, %,.0f a second, %s of memory a task%n",
                    result.tokens(),
                    PlanPrinter.duration(result.seconds()),
                    result.tokens() / result.seconds(),
                    ByteSize.text(result.taskMemory()));
        }
        out.flush();
    }
}
