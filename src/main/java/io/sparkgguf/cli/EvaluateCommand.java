package io.sparkgguf.cli;

import io.sparkgguf.job.EvaluateJob;
import io.sparkgguf.job.EvaluateSettings;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.report.EvaluationReport;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code spark-gguf evaluate}. */
@Command(
        name = "evaluate",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = "spark-gguf evaluate --model PATH --gguf FILE --text FILE [OPTIONS]",
        description = {
            "Measures how well models predict a text, and what quantizing cost.",
            "",
            "Runs the source and each GGUF file on the same sequences and prints perplexity, and against the source the"
                    + " Kullback-Leibler divergence, how often the likeliest token is the same, and how much the probability"
                    + " of the right one changes. Definitions are llama-perplexity's: of each sequence the second half is"
                    + " scored. No logits are stored.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf evaluate --model ./Qwen3-8B --gguf Q4.gguf --text wiki.test.raw",
            "  spark-gguf evaluate --model f16.gguf --tokenizer ./Qwen3-8B --gguf Q3.gguf \\",
            "      --gguf Q4.gguf --text wiki.test.raw --chunks 100 --output quality.json"
        })
final class EvaluateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            required = true,
            paramLabel = "PATH",
            description = "What the others are compared with: a Hugging Face folder, or a GGUF file.")
    private String model;

    @Option(
            names = {"-g", "--gguf"},
            paramLabel = "FILE",
            description = "A GGUF file to compare; repeatable. Without one, the model's perplexity alone.")
    private List<String> candidates = new ArrayList<>();

    @Option(
            names = {"-f", "--text"},
            required = true,
            paramLabel = "FILE",
            description = "Text that the models were not made with: plain, JSON lines or token ids; a file, folder or"
                    + " glob; repeatable.")
    private List<String> text = new ArrayList<>();

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            description =
                    "Text that the models were calibrated on, to be warned if it has passages of --text; repeatable."
                            + " Nothing else is done with it.")
    private List<String> calibration = new ArrayList<>();

    @Option(
            names = {"-c", "--context", "--ctx-size"},
            paramLabel = "N",
            defaultValue = "512",
            description = "Tokens of a sequence. Default: ${DEFAULT-VALUE}. Only figures of one context compare.")
    private int context;

    @Option(names = "--chunks", paramLabel = "N", description = "Use the first N sequences only. Default: all.")
    private Integer chunks;

    @Option(
            names = "--tokenizer",
            paramLabel = "FOLDER",
            description = "Hugging Face folder whose tokenizer.json to use, where the model is a GGUF file.")
    private String tokenizer;

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            description = "Where the report in JSON goes. Default: nowhere.")
    private String output;

    @Option(names = "--json", description = "Print the report instead of the table.")
    private boolean json;

    @Option(
            names = {"-q", "--quiet"},
            description = "No progress.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        EvaluationReport report;
        try (Session session = new Session("spark-gguf evaluate " + model);
                ConsoleProgress progress = ConsoleProgress.standard(quiet)) {
            report = new EvaluateJob(session, settings(), progress).run();
        }
        PrintWriter err = spec.commandLine().getErr();
        report.warnings().forEach(warning -> err.println("warning: " + warning));
        err.flush();
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(new String(ReportFile.json(report), StandardCharsets.UTF_8));
        } else {
            print(report, out);
        }
        out.flush();
        return 0;
    }

    private EvaluateSettings settings() {
        try {
            if (chunks != null && chunks < 1) {
                throw new InvalidInputException("Cannot evaluate " + chunks + " chunks: at least 1 is needed");
            }
            return new EvaluateSettings(
                    model, candidates, text, calibration, tokenizer, context, chunks == null ? 0 : chunks, output);
        } catch (InvalidInputException e) { // nothing was read for it but the command line
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }

    private static void print(EvaluationReport report, PrintWriter out) {
        List<EvaluationReport.Model> all = new ArrayList<>(List.of(report.base()));
        all.addAll(report.models());
        int width = all.stream().mapToInt(each -> each.file().length()).max().orElseThrow();
        String name = "%-" + width + "s";
        out.printf(
                name + "  %9s  %6s  %21s  %19s  %8s  %8s  %14s  %14s%n",
                "model",
                "size",
                "bpw",
                "PPL",
                "mean KLD",
                "median",
                "99.9 %",
                "same top %",
                "RMS dp %");
        for (EvaluationReport.Model each : all) {
            out.printf(
                    Locale.ROOT,
                    name + "  %9s  %6.3f  %10.4f +/- %6.4f",
                    each.file(),
                    ByteSize.text(each.bytes()),
                    each.bitsPerWeight(),
                    each.perplexity(),
                    each.perplexityError());
            EvaluationReport.Comparison found = each.comparison();
            if (found != null) {
                out.printf(
                        Locale.ROOT,
                        "  %8.6f +/- %.5f  %8.6f  %8.5f  %6.2f +/- %4.2f  %6.3f +/- %.3f",
                        found.kld(),
                        found.kldError(),
                        found.kldMedian(),
                        found.kld999(),
                        100 * found.sameTop(),
                        100 * found.sameTopError(),
                        100 * found.rmsDeltaP(),
                        100 * found.rmsDeltaPError());
            }
            out.println();
        }
        out.printf(
                Locale.ROOT,
                "%,d tokens scored in %,d sequences of %,d; %,.0f tokens a second through all models, %s a task%n",
                report.text().scored(),
                report.text().sequences(),
                report.text().context(),
                report.tokensPerSecond(),
                ByteSize.text(report.taskMemory()));
    }
}
