#Requires -Version 5.1
<#
.SYNOPSIS
    What the Makefile does, on Windows: ./make.ps1 run and ./make.ps1 test are all that a fresh
    machine needs, beside Go and a GCC or llvm-mingw.
.DESCRIPTION
    help    show this
    run     build, then generate from the embedded model (-Prompt "...")
    build   compile bin\infer.exe for this machine's CPU
    test    everything that must hold: lint, tests, tests under the race detector
    clean   remove what was built

    Where scripts are not allowed:
    powershell -ExecutionPolicy Bypass -File make.ps1 run
.PARAMETER Command
    One of the above.
.PARAMETER Prompt
    What run continues.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('help', 'run', 'build', 'test', 'clean')]
    [string] $Command = 'help',

    [string] $Prompt = 'Once upon a time'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

function Stop-Make([string] $Message) {
    [Console]::Error.WriteLine("make.ps1: $Message")
    exit 1
}

function Find-Program([string] $Name) {
    $found = @(Get-Command -Name $Name -CommandType Application -ErrorAction SilentlyContinue)
    if ($found.Count -eq 0) { return $null }
    return $found[0].Name
}

# Runs a program. What it writes to standard error is no error of PowerShell's.
function Invoke-Program([string] $Program, [string[]] $Arguments) {
    $ErrorActionPreference = 'Continue'
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { Stop-Make "$Program $($Arguments -join ' '): exit code $LASTEXITCODE" }
}

# A variable of the Makefile, which has the only list of some things.
function Get-MakeVariable([string] $Name) {
    $line = Select-String -LiteralPath 'Makefile' -Pattern ('^' + $Name + '\s*:?=\s*(.*)$') | Select-Object -First 1
    if ($null -eq $line) { Stop-Make "the Makefile has no $Name" }
    return $line.Matches[0].Groups[1].Value.Trim()
}

# The first pair of a C and a C++ compiler for what Go builds for: $env:CC and $env:CXX, a GCC,
# or llvm-mingw. Clang and others that link with Microsoft's libraries are none for cgo.
function Find-Compiler([string] $Machine) {
    $pairs = @(@('gcc', 'g++'), @("$Machine-gcc", "$Machine-g++"), @("$Machine-clang", "$Machine-clang++"), @('clang', 'clang++'))
    if ($env:CC -and $env:CXX) { $pairs = @(, @($env:CC, $env:CXX)) }
    $others = @()
    foreach ($pair in $pairs) {
        if ($null -eq (Find-Program $pair[0]) -or $null -eq (Find-Program $pair[1])) { continue }
        $target = [string] (& $pair[0] -dumpmachine)
        # x86_64-w64-mingw32, x86_64-w64-windows-gnu
        if ($target -like (($Machine -split '-')[0] + '-*') -and $target -match 'mingw|windows-gnu') { return $pair }
        $others += "$($pair[0]) is for $target"
    }
    $text = "a GCC or llvm-mingw for $Machine (winget install BrechtSanders.WinLibs.POSIX.UCRT, or MartinStorsjo.LLVM-MinGW.UCRT; then a new window, for its PATH)"
    if ($others.Count -gt 0) { $text += ": $($others -join ', ')" }
    return $text
}

# The flags of the Makefile. -march=native means another thing on another CPU, which Go's build
# cache cannot know: the name of what it means here keeps a shared cache from mixing them up.
function Set-BuildFlags {
    $missing = @()
    $compiler = $null
    if ($null -eq (Find-Program 'go')) {
        $missing += 'Go 1.26 or later (winget install GoLang.Go; then a new window, for its PATH)'
        $arch = $env:PROCESSOR_ARCHITECTURE
    } else {
        $arch = [string] (& go env GOARCH)
    }
    $machine = 'x86_64-w64-mingw32'
    if ($arch -eq 'arm64') { $machine = 'aarch64-w64-mingw32' }
    $compiler = Find-Compiler $machine
    if ($compiler -is [string]) { $missing += $compiler }
    if ($missing.Count -gt 0) { Stop-Make ('missing: ' + ($missing -join '; and ')) }

    $env:CC = $compiler[0]
    $env:CXX = $compiler[1]
    $macros = (& $env:CC '-march=native' -dM -E -x c NUL) -join "`n"
    if ($LASTEXITCODE -ne 0) { Stop-Make "$($env:CC) -march=native: exit code $LASTEXITCODE" }
    $sha = [System.Security.Cryptography.SHA256]::Create()
    $hash = $sha.ComputeHash([System.Text.Encoding]::UTF8.GetBytes($macros))
    $cpu = [System.BitConverter]::ToUInt32($hash, 0)

    $env:CGO_ENABLED = '1'
    $env:CGO_CFLAGS = '-O3 -march=native'
    $env:CGO_CXXFLAGS = '-O3 -march=native'
    $env:CGO_CPPFLAGS = "-DGGML_USE_CPU_REPACK -DINFER_CPU=$cpu"
    $env:CGO_LDFLAGS = '-static' # the compiler's libraries are not on every machine
}

function Invoke-Build {
    Invoke-Program 'go' @('build', '-o', 'bin/infer.exe', './cmd/infer')
}

function Invoke-Lint {
    $files = @(& go list -f '{{.Dir}}' './...')
    if ($LASTEXITCODE -ne 0) { Stop-Make "go list ./...: exit code $LASTEXITCODE" }
    $unformatted = @(& gofmt -l $files)
    if ($unformatted.Count -gt 0) { Stop-Make "gofmt -w these files: $($unformatted -join ' ')" }
    Invoke-Program 'go' @('vet', './...')
    $env:GOBIN = Join-Path $PSScriptRoot 'bin'
    Invoke-Program 'go' @('install', (Get-MakeVariable 'STATICCHECK'))
    Invoke-Program (Join-Path $env:GOBIN 'staticcheck.exe') @('./...')
}

# One package at a time: the engine's threads wait for each other by spinning.
function Invoke-Test {
    Invoke-Lint
    Invoke-Build
    $env:INFER_BIN = Join-Path $PSScriptRoot 'bin\infer.exe'
    Invoke-Program 'go' @('test', '-p', '1', '-timeout', '30m', './...')
    Invoke-Program 'go' @('build', '-race', './...')
    Invoke-Program 'go' @('test', '-p', '2', '-short', '-race', '-timeout', '30m', './internal/files', './loader/...', './models/...')
    Invoke-Program 'go' @('test', '-p', '1', '-short', '-race', '-timeout', '30m', './runtime/...', './llama/...')
}

if ($Command -eq 'help') {
    $text = Get-Content -LiteralPath $PSCommandPath -Raw
    if ($text -match '(?s)\.DESCRIPTION\r?\n(.*?)\r?\n\.PARAMETER') { $Matches[1] }
    exit 0
}
if ([System.Environment]::OSVersion.Platform -ne 'Win32NT') { Stop-Make 'this is for Windows: use make' }

# A script's variables of the environment are the session's: they are put back.
$names = @('CC', 'CXX', 'CGO_ENABLED', 'CGO_CFLAGS', 'CGO_CXXFLAGS', 'CGO_CPPFLAGS', 'CGO_LDFLAGS', 'GOBIN', 'INFER_BIN')
$before = @{}
foreach ($name in $names) { $before[$name] = [System.Environment]::GetEnvironmentVariable($name) }
Push-Location -LiteralPath $PSScriptRoot
try {
    switch ($Command) {
        'run' {
            Set-BuildFlags
            Invoke-Build
            Invoke-Program (Join-Path $PSScriptRoot 'bin\infer.exe') @('--prompt', $Prompt)
        }
        'build' {
            Set-BuildFlags
            Invoke-Build
        }
        'test' {
            Set-BuildFlags
            Invoke-Test
        }
        'clean' {
            if (Test-Path -LiteralPath 'bin') { Remove-Item -LiteralPath 'bin' -Recurse -Force }
        }
    }
} finally {
    Pop-Location
    foreach ($name in $names) {
        if ($null -ne $before[$name]) {
            Set-Item -LiteralPath "Env:$name" -Value $before[$name]
        } elseif (Test-Path -LiteralPath "Env:$name") {
            Remove-Item -LiteralPath "Env:$name"
        }
    }
}
