package io.sparkgguf.cli;

import io.sparkgguf.job.ValidateJob;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.report.ValidationReport;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code spark-gguf validate}. */
@Command(
        name = "validate",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        description = {
            "Reads a GGUF file back and says whether it is sound.",
            "",
            "Checks header and layout by the rules of llama.cpp's own loader, the tensors that its architecture needs,"
                    + " finite scales in every block, and the digests of the report beside it, if there is one. With"
                    + " --model, decodes every tensor and compares it with the source.",
            ""
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  spark-gguf validate Qwen3-8B-Q4_K_M.gguf",
            "  spark-gguf validate Qwen3-8B-Q4_K_M.gguf --model ./Qwen3-8B --json"
        })
final class ValidateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "FILE", description = "The GGUF file; of a split one, the first.")
    private String file;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "SOURCE",
            description = "The checkpoint that it was made from, to compare every tensor with.")
    private String model;

    @Option(
            names = "--report",
            paramLabel = "FILE",
            description = "The report of the run that wrote it. Default: FILE.report.json, where it exists.")
    private String report;

    @Option(names = "--json", description = "The result in JSON, for every tensor.")
    private boolean json;

    @Option(
            names = {"-q", "--quiet"},
            description = "No progress.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        ValidationReport result;
        try (Session session = new Session("spark-gguf validate " + file);
                ConsoleProgress progress = ConsoleProgress.standard(quiet)) {
            result = new ValidateJob(session, progress).run(file, report, model);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(new String(ReportFile.json(result), StandardCharsets.UTF_8));
        } else {
            print(result, out);
        }
        out.flush();
        return result.valid() ? 0 : Main.INVALID;
    }

    private static void print(ValidationReport result, PrintWriter out) {
        result.findings().forEach(finding -> out.println("invalid: " + finding));
        result.notes().forEach(note -> out.println("note: " + note));
        out.printf(
                "%s: %s, %d tensors, %s%n",
                result.file(),
                result.valid() ? "valid" : "NOT valid",
                result.tensors().size(),
                ByteSize.text(result.bytes()));
        result.tensors().stream()
                .filter(tensor -> tensor.relativeError() != null)
                .sorted(Comparator.comparing(ValidationReport.Tensor::relativeError)
                        .reversed())
                .limit(5)
                .forEach(tensor -> out.printf(
                        Locale.ROOT,
                        "  relative error %.6f, largest %.3g, cosine %.6f  %s %s%n",
                        tensor.relativeError(),
                        tensor.maxError(),
                        tensor.cosine(),
                        tensor.name(),
                        tensor.type()));
    }
}
