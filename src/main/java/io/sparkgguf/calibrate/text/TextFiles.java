package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * The files that the user's names mean. A folder means all files in it, at any depth, whose names' ends tell a kind that
 * is read, but none whose name begins with '.' or '_'; a glob means what it matches, part by part of the path. A file
 * that is named itself, or by a glob, and tells no kind is plain text.
 */
final class TextFiles {
    private static final int MAX_DEPTH = 32;
    private static final int MAX_FILES = 1_000_000;
    private static final Pattern GLOB = Pattern.compile("[*?\\[{]");

    private final Storage storage;
    private final String verb;
    private final List<TextFile> files = new ArrayList<>();

    private TextFiles(Storage storage, String verb) {
        this.storage = storage;
        this.verb = verb;
    }

    /**
     * Files in the order of the sources, those of each in order of name.
     *
     * @throws InvalidInputException when a source means no file
     */
    static List<TextFile> find(Storage storage, List<String> sources, String verb) throws IOException {
        TextFiles found = new TextFiles(storage, verb);
        for (String source : sources) {
            found.add(source);
        }
        return found.files;
    }

    private void add(String source) throws IOException {
        int before = files.size();
        List<FileStatus> matches = new ArrayList<>();
        if (storage.exists(source)) {
            if (storage.status(source).folder()) {
                addFolder(source, 0);
            } else {
                addFile(source, true);
            }
        } else if (GLOB.matcher(source).find()) {
            match(source, matches);
            for (FileStatus match : matches) {
                if (match.folder()) {
                    addFolder(match.file(), 0);
                } else {
                    addFile(match.file(), true);
                }
            }
        } else {
            throw refuse(source, "no such file or folder");
        }
        if (files.size() == before) {
            boolean glob = !storage.exists(source) && matches.isEmpty();
            throw refuse(
                    source,
                    glob
                            ? "it matches no file"
                            : "no file in it ends in .txt, .text, .md, .jsonl, .ndjson, .json, .bin or .safetensors");
        }
    }

    private void addFile(String file, boolean named) {
        Optional<TextFile.Kind> kind = TextFile.Kind.of(file.substring(file.lastIndexOf('/') + 1));
        if (kind.isPresent() || named) {
            if (files.size() == MAX_FILES) {
                throw refuse(file, "more than " + MAX_FILES + " files are named");
            }
            files.add(new TextFile(file, kind.orElse(TextFile.Kind.PLAIN), verb));
        }
    }

    private void addFolder(String folder, int depth) throws IOException {
        if (depth > MAX_DEPTH) {
            throw refuse(folder, "folders lie more than " + MAX_DEPTH + " deep in each other");
        }
        for (FileStatus entry : storage.list(folder)) {
            if (isHidden(entry)) {
                continue;
            }
            if (entry.folder()) {
                addFolder(entry.file(), depth + 1);
            } else {
                addFile(entry.file(), false);
            }
        }
    }

    private static boolean isHidden(FileStatus entry) {
        return entry.fileName().startsWith(".") || entry.fileName().startsWith("_");
    }

    /** What a glob matches: the part of the path before its first special character is taken as it is. */
    private void match(String glob, List<FileStatus> matches) throws IOException {
        var special = GLOB.matcher(glob);
        special.find();
        int slash = glob.lastIndexOf('/', special.start());
        String folder = slash < 0 ? "." : slash == 0 ? "/" : glob.substring(0, slash);
        List<Pattern> parts = new ArrayList<>();
        for (String part : glob.substring(slash + 1).split("/+")) {
            parts.add(pattern(part, glob));
        }
        descend(folder, parts, 0, matches);
    }

    private void descend(String folder, List<Pattern> parts, int depth, List<FileStatus> matches) throws IOException {
        List<FileStatus> entries;
        try {
            entries = storage.list(folder);
        } catch (FileNotFoundException e) {
            return; // then nothing matches
        }
        Pattern part = parts.get(depth);
        boolean hidden = part.pattern().startsWith("\\.") || part.pattern().startsWith("_");
        for (FileStatus entry : entries) {
            if (!part.matcher(entry.fileName()).matches() || isHidden(entry) && !hidden) {
                continue;
            }
            if (depth == parts.size() - 1) {
                matches.add(entry);
            } else if (entry.folder()) {
                descend(entry.file(), parts, depth + 1, matches);
            }
        }
    }

    private Pattern pattern(String part, String glob) {
        StringBuilder regex = new StringBuilder();
        int braces = 0;
        for (int i = 0; i < part.length(); i++) {
            char c = part.charAt(i);
            if (c == '*') {
                regex.append(".*");
            } else if (c == '?') {
                regex.append('.');
            } else if (c == '[' && part.indexOf(']', i + 2) > 0) {
                int end = part.indexOf(']', i + 2);
                String set = part.substring(i + 1, end);
                boolean not = set.startsWith("!") || set.startsWith("^");
                String members = (not ? set.substring(1) : set).replaceAll("([\\\\\\[&^])", "\\\\$1");
                regex.append(not ? "[^" : "[").append(members).append(']');
                i = end;
            } else if (c == '{') {
                braces++;
                regex.append("(?:");
            } else if (c == '}' && braces > 0) {
                braces--;
                regex.append(')');
            } else if (c == ',' && braces > 0) {
                regex.append('|');
            } else {
                regex.append(c == '_' || Character.isLetterOrDigit(c) ? String.valueOf(c) : "\\" + c);
            }
        }
        try {
            return Pattern.compile(regex.toString(), Pattern.DOTALL);
        } catch (PatternSyntaxException e) {
            throw refuse(glob, "it is no glob: " + e.getDescription());
        }
    }

    private InvalidInputException refuse(String source, String reason) {
        return new InvalidInputException("Cannot " + verb + " with " + source + ": " + reason);
    }
}
