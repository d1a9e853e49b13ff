package io.sparkgguf.cli;

import io.sparkgguf.job.SurveyJob;
import io.sparkgguf.job.SurveySettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.quant.linear.SchemeName;
import io.sparkgguf.report.SurveyReport;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code spark-gguf survey}. */
@Command(
        name = "survey",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = "spark-gguf survey --model PATH --output DIR [OPTIONS]",
        description = {
            "Tries ways to quantize on every tensor, and says what each would cost.",
            "",
            "Linear schemes, as introductions teach them, beside GGUF's types: bits per weight with all scales counted,"
                    + " relative error of weights, with --imatrix also weighted by importance, outliers, clipped weights,"
                    + " a histogram. Nothing is quantized: DIR gets a table in Parquet, a row for each tensor and scheme,"
                    + " and a summary in JSON, which is printed too.",
            "",
            "Names of schemes: intB[-asym][-row|-gN][-clampA|-pP|-mse], or a GGUF type, fp16, bf16.",
            "  intB      integers of B = 8, 6, 5, 4, 3 or 2 bits, scale = largest magnitude / (2^(B-1) - 1)",
            "  -asym     with a zero point: all 2^B levels between smallest and largest",
            "  -row, -gN a scale for each row, or for N weights of a row; else one for the tensor",
            "  -clampA   clipped to -A and A; -pP: P percent of the weights lie within",
            "  -mse      clipped where the (importance-weighted) squared error is least",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf survey --model ./Qwen3-8B --output qwen3.survey",
            "  spark-gguf survey --model ./Qwen3-8B --imatrix qwen3.imatrix.gguf \\",
            "      --schemes 'int4-g128,int4-asym-g32-mse,gguf' --tensors 'ffn_down|attn_v' \\",
            "      --exact --output qwen3.survey"
        })
final class SurveyCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            required = true,
            paramLabel = "PATH",
            description = "Hugging Face folder, or GGUF file.")
    private String model;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "DIR",
            description = "The folder to make: survey.parquet and summary.json.")
    private String output;

    @Option(
            names = "--imatrix",
            paramLabel = "FILE",
            description = "Importance matrix: for weighted errors, and used by schemes that look at importance.")
    private String imatrix;

    @Option(
            names = "--schemes",
            paramLabel = "LIST",
            defaultValue = "all",
            description =
                    "Names with commas; 'linear', 'gguf', or 'all' for the usual ones; * stands for any characters"
                            + " in the names of usual ones. Default: ${DEFAULT-VALUE}.")
    private String schemes;

    @Option(
            names = "--tensors",
            paramLabel = "PATTERN",
            description =
                    "Look at tensors in whose name this regular expression is found. Default: all that have rows.")
    private String tensors;

    @ArgGroup
    private Amount amount = new Amount();

    /** How many rows are looked at. */
    private static final class Amount {
        @Option(
                names = "--rows",
                paramLabel = "N",
                description = "Look at N rows of each tensor, evenly spread. Default: 128.")
        private int rows = 128;

        @Option(names = "--exact", description = "Look at all rows.")
        private boolean exact;
    }

    @Option(names = "--overwrite", description = "Replace an earlier survey in DIR.")
    private boolean overwrite;

    @Option(
            names = {"-q", "--quiet"},
            description = "No progress, no summary.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        SurveySettings settings = settings();
        SurveyReport report;
        try (Session session = new Session("spark-gguf survey " + output);
                ConsoleProgress progress = ConsoleProgress.standard(quiet)) {
            report = new SurveyJob(session, settings, progress).run();
        }
        PrintWriter err = spec.commandLine().getErr();
        report.warnings().forEach(warning -> err.println("warning: " + warning));
        err.flush();
        if (!quiet) {
            print(report, settings, spec.commandLine().getOut());
        }
        return 0;
    }

    private SurveySettings settings() {
        try {
            if (!amount.exact && amount.rows < 1) {
                throw new InvalidInputException("Cannot survey " + amount.rows + " rows: at least 1 is needed");
            }
            return new SurveySettings(
                    model,
                    imatrix,
                    SchemeName.parseList(schemes),
                    tensors,
                    amount.exact ? 0 : amount.rows,
                    output,
                    overwrite);
        } catch (InvalidInputException e) { // nothing was read for it but the command line
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private static void print(SurveyReport report, SurveySettings settings, PrintWriter out) {
        int width = report.schemes().stream()
                .mapToInt(each -> each.scheme().length())
                .max()
                .orElseThrow();
        out.printf("%-" + width + "s  %7s  %9s  %9s  %9s  %s%n", "scheme", "bpw", "error", "weighted", "mean", "worst");
        for (SurveyReport.Scheme each : report.schemes()) {
            out.printf(
                    Locale.ROOT,
                    "%-" + width + "s  %7.4f  %9.6f  %9s  %9.6f  %9.6f %s%n",
                    each.scheme(),
                    each.bitsPerWeight(),
                    each.relativeError(),
                    each.weightedRelativeError() == null
                            ? "-"
                            : String.format(Locale.ROOT, "%.6f", each.weightedRelativeError()),
                    each.meanRelativeError(),
                    each.worstRelativeError(),
                    each.worstTensor());
        }
        out.printf(
                Locale.ROOT,
                "%d tensors, %,d of %,d weights looked at, %s; table and summary in %s%n",
                report.tensors(),
                report.surveyed(),
                report.weights(),
                PlanPrinter.duration(report.seconds().values().stream()
                        .mapToDouble(Double::doubleValue)
                        .sum()),
                settings.output());
        out.flush();
    }
}
