# Sourced by the findings: a temporary folder, and a program in it.

set -euo pipefail
folder=$(mktemp -d)
stop() { :; }
trap 'stop; rm -rf "$folder"' EXIT

# program PACKAGE=VERSION...: builds the program on standard input with these packages, as $folder/program.
program() {
    mkdir "$folder/source"
    cat > "$folder/source/Program.cs"
    {
        echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType>'
        echo '<TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable>'
        echo '<ImplicitUsings>enable</ImplicitUsings>'
        echo '<AssemblyName>Finding</AssemblyName></PropertyGroup><ItemGroup>'
        for package in "$@"; do
            echo "<PackageReference Include=\"${package%=*}\" Version=\"${package#*=}\" />"
        done
        echo '</ItemGroup></Project>'
    } > "$folder/source/Finding.csproj"
    timeout -k 5 300 dotnet build "$folder/source/Finding.csproj" -c Release \
        -o "$folder/program" --nologo -v q -clp:ErrorsOnly
}

# run ARGUMENT...: runs the program, at most a minute.
run() {
    timeout -k 5 60 dotnet "$folder/program/Finding.dll" "$@"
}

# expect TEXT: fails unless standard input is the text; prints it.
expect() {
    local seen
    seen=$(cat)
    echo "$seen"
    if [ "$seen" != "$1" ]; then
        echo "expected instead: $1" >&2
        exit 1
    fi
}
